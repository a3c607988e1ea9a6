package policies

import (
	"fmt"
	"slices"
	"strings"
)

// Asks says in sentences, to whoever is about to ask for a role, from which machines
// it may be used; nothing where any machine will do.
func (r DeviceRule) Asks() []string {
	if !r.Required {
		return nil
	}
	asks := []string{"It is used from an enrolled device only."}
	if r.Held == HeldTPM {
		asks = append(asks, "Its key is in a TPM of a maker that the policy lists.")
	}
	if r.Posture != nil {
		asks = append(asks, r.Posture.asks()...)
	}
	if r.Fleet != nil {
		asks = append(asks, r.Fleet.asks()...)
	}
	return asks
}

func (p PostureRule) asks() (asks []string) {
	if len(p.Require) > 0 {
		facts := make([]string, len(p.Require))
		for i, fact := range p.Require {
			facts[i] = strings.ReplaceAll(fact, "-", " ")
		}
		verb := "is"
		if len(facts) > 1 {
			verb = "are"
		}
		asks = append(asks, fmt.Sprintf("Its %s %s on.", enumerated(facts, "and"), verb))
	}
	if p.SystemAgeDays != nil {
		days := "days"
		if *p.SystemAgeDays == 1 {
			days = "day"
		}
		asks = append(asks, fmt.Sprintf("Its system was updated at most %d %s ago.", *p.SystemAgeDays, days))
	}
	if len(p.Protection) > 0 {
		asks = append(asks, enumerated(p.Protection, "or")+" runs on it.")
	}
	return append(asks, fmt.Sprintf("What it says of its state is less than %s old; `stint ssh` and `stint device watch` see to that.", FormatDuration(p.Period)))
}

func (r FleetRule) asks() (asks []string) {
	if slices.Contains(r.Require, FactDiskEncryption) {
		asks = append(asks, "Fleet says that its disk encryption is on.")
	}
	switch r.Policies {
	case AllPolicies:
		asks = append(asks, "It passes all of Fleet's policies.")
	case CriticalPolicies:
		asks = append(asks, "It passes Fleet's critical policies.")
	}
	if len(r.Named) > 0 {
		names := make([]string, len(r.Named))
		for i, name := range r.Named {
			names[i] = "“" + name + "”"
		}
		asks = append(asks, "It passes, of Fleet's policies, "+enumerated(names, "and")+".")
	}
	return append(asks, fmt.Sprintf("What it told Fleet of its state is less than %s old.", FormatDuration(r.Period)))
}

// enumerated is "a", "a and b", "a, b and c".
func enumerated(words []string, last string) string {
	n := len(words) - 1
	if n < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
}
