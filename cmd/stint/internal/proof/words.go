package proof

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"stint/policies"
)

// Words tells a report in sentences, one a line. They hold what people wrote: make
// them plain before a terminal sees them.
func (r Report) Words() []string {
	var lines []string
	say := func(format string, values ...any) { lines = append(lines, fmt.Sprintf(format, values...)) }

	if !r.Proven && len(r.Agreements) == 0 {
		say("The file holds approvals of a request, and not what shows who signed them.")
	}
	for i, a := range r.Agreements {
		c := a.Certificate
		switch {
		case !r.Proven && c != nil:
			say("The ledger holds a certificate %d for %s, issued to %s on %s, good until %s (entry %d).",
				c.Serial, c.Principal, a.Requester, moment(c.Time), moment(c.Ends), c.Index)
			continue
		case i == 0 || !a.repeats(r.Agreements[i-1]):
			lines = append(lines, a.words()...)
		}
		lines = append(lines, c.words()...)
		if i == len(r.Agreements)-1 || !r.Agreements[i+1].repeats(a) {
			say("")
		}
	}
	for _, c := range r.Connections {
		say("On %s the proxy %s was let in to the target until %s (entry %d).", moment(c.Time), c.Proxy, moment(c.Ends), c.Index)
	}
	for _, x := range r.Extensions {
		say("On %s the session %s at the proxy %s, which %s had opened or extended, went on until %s (entry %d).", moment(x.Time), x.Session, x.Proxy, x.Extends, moment(x.Ends), x.Index)
	}
	for _, p := range r.Presences {
		say("On %s the requester confirmed with a passkey to be there, in the session %s (entry %d).", moment(p.Signed), p.Session, p.Index)
	}
	for _, c := range r.Reviews {
		lines = append(lines, c.words())
	}
	if e := r.Ending; e != nil {
		say("It ended on %s: %s, by %s (entry %d).", moment(e.Time), e.Reason, e.words(), e.Index)
	}
	if len(r.History) > 0 {
		say("")
		say("Who was believed, and who said so:")
	}
	for _, p := range r.History {
		say("  %s, entry %d: %s By: %s.", moment(p.Time), p.Index, p.Text, strings.Join(p.By, "; "))
	}
	say("")
	say("All %d entries are in the ledger %s of %d entries, whose root is %s.", r.Ledger.Entries, r.Ledger.Origin, r.Ledger.Size, r.Ledger.Root)
	if len(r.Ledger.Witnesses) > 0 {
		say("Witnesses who cosigned that: %s.", strings.Join(r.Ledger.Witnesses, ", "))
	}
	say("")
	say("Not proven:")
	for _, limit := range r.NotProven {
		say("  %s", limit)
	}
	return lines
}

func (a Agreed) words() []string {
	var lines []string
	say := func(format string, values ...any) { lines = append(lines, fmt.Sprintf(format, values...)) }
	because := "giving no reason"
	if a.Reason != "" {
		because = "because: " + a.Reason
	}
	say("%s (%s) asked for %s on %s as %s for %s, on %s, %s", a.Name, a.Requester, a.Role, a.Target, a.Login, length(a.DurationSeconds), moment(a.Asked), because)
	lines = append(lines, a.circumstances()...)
	for _, p := range a.Approvals {
		behalf := ""
		if p.For != nil {
			behalf = " on behalf of " + called(p.ForName, *p.For)
		}
		say("%s (%s) agreed%s with a passkey, %q (authenticator %s), to %s, on %s.",
			p.Name, p.Approver, behalf, p.Passkey.Name, p.Passkey.Authenticator, length(p.DurationSeconds), moment(p.Time))
	}
	if len(a.Approvals) == 0 && !a.BreakGlass {
		say("Nobody agreed to it in writing.")
	}
	if a.Certificate != nil {
		say("The policy %s allows that.", a.Policy)
	}
	return lines
}

func (c *Issued) words() []string {
	if c == nil {
		return []string{"The file shows no certificate for it."}
	}
	lines := []string{fmt.Sprintf("Certificate %d for %s was issued on %s, good until %s; it is entry %d of the ledger.",
		c.Serial, c.Principal, moment(c.Time), moment(c.Ends), c.Index)}
	if c.Reissues != 0 {
		lines = append(lines, fmt.Sprintf("It stands in the place of certificate %d, whose key was withdrawn; nobody was asked again.", c.Reissues))
	}
	if c.Authority != "" {
		lines = append(lines, fmt.Sprintf("It is signed by the signer's key %s.", c.Authority))
	}
	return lines
}

// repeats tells whether two certificates stand on the same agreement.
func (a Agreed) repeats(b Agreed) bool {
	return a.Digest != "" && a.Digest == b.Digest && a.Policy == b.Policy && slices.EqualFunc(a.Approvals, b.Approvals, func(p, q Approved) bool {
		return p.Approver == q.Approver && p.ForName == q.ForName && p.DurationSeconds == q.DurationSeconds && p.Time.Equal(q.Time) && p.Passkey == q.Passkey
	}) && slices.Equal(a.Asserted, b.Asserted)
}

// called is somebody by their name, where it is known, and their identity.
func called(name string, who policies.Subject) string {
	if name == "" {
		return who.String()
	}
	return fmt.Sprintf("%s (%s)", name, who)
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func length(seconds int64) string {
	return policies.FormatDuration(time.Duration(seconds) * time.Second)
}
