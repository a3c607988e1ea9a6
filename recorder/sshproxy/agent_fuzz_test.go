package sshproxy

import (
	"bytes"
	"testing"
)

// FuzzAgentRequest: of whatever a target asks an agent, what passes is a list of keys,
// a signature that says what it is, or a binding.
func FuzzAgentRequest(f *testing.F) {
	f.Fuzz(func(t *testing.T, message, answer []byte) {
		if len(message) == 0 || len(answer) == 0 {
			return // readAgentMessage refuses it
		}
		asked, err := parseAgentRequest(message)
		if err != nil {
			return
		}
		if (asked.signature != nil) != (message[0] == agentSign) || (asked.bound != "") != (message[0] == agentExtension) {
			t.Fatalf("%q is read as %+v", message, asked)
		}
		if s := asked.signature; s != nil && (s.Key == "" || s.Digest == "" || s.Purpose == "") {
			t.Fatalf("%q is to be recorded as %+v", message, s)
		}
		if asked.isAnsweredBy(answer) && answer[0] == agentSigned && asked.signature == nil {
			t.Fatalf("%q is answered by a signature", message)
		}
	})
}

// FuzzCookieMask: however what an X client says is cut, the recording has the same of
// it, as long as it, and the cookie nowhere.
func FuzzCookieMask(f *testing.F) {
	f.Fuzz(func(t *testing.T, said []byte, cut uint16) {
		if len(said) == 0 {
			return
		}
		whole, ok := (&cookieMask{}).hide(said)
		at := 1 + int(cut)%len(said)
		var mask cookieMask
		first, fits := mask.hide(said[:at])
		parts := bytes.Clone(first)
		if fits && at < len(said) {
			second, _ := mask.hide(said[at:])
			parts = append(parts, second...)
		}
		if fits != ok || ok && (!bytes.Equal(parts, whole) || len(whole) != len(said)) {
			t.Fatalf("%q in one: %q; cut at %d: %q", said, whole, at, parts)
		}
	})
}
