package wire

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"stint/policies"
)

// AnyProxy is a name in every proxy's host certificate, beside its own and those of its
// targets: for whoever lets the command line choose among several.
const AnyProxy = "stint"

// mostReach bounds each list of a Reach.
const mostReach = 200

// Proxy is a recording proxy as the signer knows it.
type Proxy struct {
	Name   string            `json:"name"`
	Key    string            `json:"key"`              // SHA-256 of its SubjectPublicKeyInfo, lower-case hex
	Labels map[string]string `json:"labels,omitempty"` // told to people
	Reach  Reach             `json:"reach,omitzero"`
}

// Reach says to which targets a proxy may open connections: those that one of Targets
// selects, where there are any, and whose address is in one of Networks, where there are any.
// An empty one says all.
type Reach struct {
	Targets []policies.Selector `json:"targets,omitempty"`
	// Networks are CIDR. An address that is a name is in none: who answers for the name
	// would choose.
	Networks []string `json:"networks,omitempty"`
}

// Check names what is wrong.
func (r Reach) Check() error {
	if len(r.Targets) > mostReach || len(r.Networks) > mostReach {
		return fmt.Errorf("at most %d selectors and networks", mostReach)
	}
	for i, selector := range r.Targets {
		if err := selector.Check(); err != nil {
			return fmt.Errorf("targets[%d]: %w", i, err)
		}
	}
	for i, network := range r.Networks {
		if prefix, err := netip.ParsePrefix(network); err != nil || prefix.Masked() != prefix {
			return fmt.Errorf("networks[%d]: %q is not a network such as 10.1.0.0/16", i, network)
		}
	}
	return nil
}

// Opens tells whether connections to a target may be opened.
func (r Reach) Opens(t policies.Target) bool {
	if len(r.Targets) > 0 && !slices.ContainsFunc(r.Targets, func(s policies.Selector) bool { return s.Selects(t) }) {
		return false
	}
	if len(r.Networks) == 0 {
		return true
	}
	host, _, err := net.SplitHostPort(t.Address)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Zone() == "" && slices.ContainsFunc(r.Networks, func(network string) bool {
		prefix, err := netip.ParsePrefix(network)
		return err == nil && prefix.Contains(address.Unmap())
	})
}
