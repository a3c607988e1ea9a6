package storetest

import (
	"context"
	"sync"

	"stint/policies"
	"stint/server/access"
)

// Fleet is a Fleet server that says what it is told to.
type Fleet struct {
	mu     sync.Mutex
	hosts  []policies.FleetHost
	down   bool
	calls  int
	before func()
}

// Delay has it do something before it answers.
func (f *Fleet) Delay(before func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = before
}

// Say makes it know a machine, in the place of what it knew of that number.
func (f *Fleet) Say(host policies.FleetHost) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.hosts {
		if f.hosts[i].ID == host.ID {
			f.hosts[i] = host
			return
		}
	}
	f.hosts = append(f.hosts, host)
}

// Forget makes it know no machine.
func (f *Fleet) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hosts = nil
}

// SetDown makes every call fail, or work again.
func (f *Fleet) SetDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

// Calls counts them.
func (f *Fleet) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// Find looks for a serial number or UUID.
func (f *Fleet) Find(_ context.Context, identifier string) (policies.FleetHost, error) {
	return f.look(func(h policies.FleetHost) bool { return h.Serial == identifier || h.UUID == identifier })
}

// Host looks for a number.
func (f *Fleet) Host(_ context.Context, number int64) (policies.FleetHost, error) {
	return f.look(func(h policies.FleetHost) bool { return h.ID == number })
}

func (f *Fleet) look(is func(policies.FleetHost) bool) (policies.FleetHost, error) {
	f.mu.Lock()
	before := f.before
	f.mu.Unlock()
	if before != nil {
		before()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.down {
		return policies.FleetHost{}, &access.Error{Problem: access.Unavailable, Code: access.CodeFleetUnavailable, Message: "Fleet is away."}
	}
	for _, host := range f.hosts {
		if is(host) {
			return host, nil
		}
	}
	return policies.FleetHost{}, &access.Error{Problem: access.NotFound, Code: access.CodeFleetUnknown, Message: "Fleet does not know it."}
}
