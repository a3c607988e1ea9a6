package portal

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestAllowance(t *testing.T) {
	t.Parallel()
	a, now := newAllowance(2, time.Minute), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, step := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {0, true}, {0, false}, {59 * time.Second, false}, {time.Second, true}, {0, false}, {time.Hour, true}, {0, true}, {0, false}, {-time.Hour, false}} {
		now = now.Add(step.after)
		if got := a.admit(now); got != step.want {
			t.Errorf("step %d at %s: %v", i, now, got)
		}
	}
}

// An address that calls without end is refused, and no other; the table has a bound.
func TestStrangersAreBoundedByAddress(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	s := newStrangers()
	for i := range callsOfAddress {
		if !s.admit("192.0.2.1", simply, now) {
			t.Fatalf("call %d is refused", i)
		}
	}
	for range callsOfAll {
		if s.admit("192.0.2.1", simply, now) || s.admit("::ffff:192.0.2.1", simply, now) {
			t.Fatal("one address has no bound")
		}
	}
	if !s.admit("192.0.2.2", simply, now) || !s.admit("", simply, now) {
		t.Error("another address pays for it, though it used up its own only")
	}
	if !s.admit("2001:db8::1", callsOfAddress, now) || s.admit("2001:db8::2", simply, now) || !s.admit("2001:db8:0:1::1", simply, now) {
		t.Error("an IPv6 network is not one caller")
	}
	if !s.admit("192.0.2.1", simply, now.Add(addressEvery)) {
		t.Error("an address is refused for ever")
	}
	// More addresses than the table holds: the rest share one allowance.
	crowd := newStrangers()
	from := func(address string, now time.Time) *allowance { return crowd.from(networkOf(address, 64), 1, now) }
	for i := range mostAddresses {
		from(fmt.Sprintf("10.0.%d.%d", i/256, i%256), now).admit(now)
	}
	if from("192.0.2.1", now) != crowd.rest || from("192.0.2.2", now) != crowd.rest || len(crowd.of) != mostAddresses {
		t.Error("the table has no bound")
	}
	if later := now.Add(2 * time.Second); from("192.0.2.1", later) == crowd.rest || len(crowd.of) != 1 {
		t.Error("quiet addresses are never forgotten")
	}
}

// All together have a bound too, whoever they are.
func TestStrangersAreBoundedTogether(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	s, admitted := newStrangers(), 0
	for i := range 2 * callsOfAll / callsOfAddress {
		for range callsOfAddress {
			if s.admit(fmt.Sprintf("192.0.2.%d", i), simply, now) {
				admitted++
			}
		}
	}
	if admitted != callsOfAll {
		t.Errorf("%d calls were admitted at once", admitted)
	}
}

// Whoever has a site's IPv6 addresses has thousands of networks, and is still one.
func TestASiteDoesNotUseUpWhatIsForAll(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	s := newStrangers()
	for i := range 256 {
		for range callsOfAddress / 10 {
			s.admit(fmt.Sprintf("2001:db8:0:%x::1", i), simply, now)
		}
	}
	for range 20 {
		now = now.Add(time.Second)
		for i := range 256 {
			for range 20 {
				s.admit(fmt.Sprintf("2001:db8:0:%x::1", i), simply, now)
			}
		}
	}
	if !s.admit("2001:db8:1::1", simply, now) || !s.admit("192.0.2.1", simply, now) {
		t.Error("others are refused")
	}
	if s.admit("2001:db8:0:fff::1", simply, now) {
		t.Error("a site has no bound")
	}
}

// However many ask, one fetches; a failure is kept as long as an answer.
func TestKept(t *testing.T) {
	t.Parallel()
	var k kept[int]
	now, fetched := time.Unix(1e9, 0), 0
	fetch := func(err error) func(context.Context) (int, error) {
		return func(context.Context) (int, error) { fetched++; return fetched, err }
	}
	away := errors.New("away")
	for i, step := range []struct {
		after time.Duration
		fails error
		want  int
		err   error
	}{{0, nil, 1, nil}, {keptLife, nil, 1, nil}, {1, away, 2, away}, {keptLife, nil, 2, away}, {1, nil, 3, nil}} {
		now = now.Add(step.after)
		if got, err := k.get(t.Context(), now, fetch(step.fails)); got != step.want || err != step.err {
			t.Errorf("step %d: %d, %v", i, got, err)
		}
	}
	// One that is on its way is waited for, by whoever does not give up.
	release, begun := make(chan struct{}), make(chan struct{})
	var slow kept[string]
	go func() {
		_, _ = slow.get(context.Background(), now, func(context.Context) (string, error) { close(begun); <-release; return "there", nil })
	}()
	<-begun
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := slow.get(gone, now.Add(time.Hour), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("whoever gave up waits on: %v", err)
	}
	close(release)
	if got, err := slow.get(t.Context(), now, nil); got != "there" || err != nil {
		t.Errorf("the others get %q, %v", got, err)
	}
}

func TestReportsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	var r reports
	for i := range reportBurst {
		if !r.admit("db1", now) {
			t.Fatalf("report %d is refused", i)
		}
	}
	if r.admit("db1", now) || !r.admit("db2", now) {
		t.Error("a burst is unbounded, or another target's counts")
	}
	// Whoever raises alarms waits; whoever does not, does not.
	now = now.Add(time.Minute)
	for range alarmBurst {
		if !r.admit("db1", now) {
			t.Error("refused before its alarms were spent")
		}
		r.alarmed("db1", now)
	}
	if r.admit("db1", now.Add(time.Minute)) || !r.admit("db2", now) || !r.admit("db1", now.Add(alarmEvery)) {
		t.Error("alarms are unbounded, or for ever spent")
	}
}
