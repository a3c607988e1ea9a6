package broker

import (
	"encoding/json"
	"testing"

	"stint/server/api"
	"stint/server/evidence"
)

// entriesOf counts the entries of a file that are of a kind.
func entriesOf(t *testing.T, file api.Evidence, is func(evidence.Entry) bool) (n int) {
	t.Helper()
	for _, proven := range file.Entries {
		var e evidence.Entry
		must(t, json.Unmarshal([]byte(proven.Entry), &e))
		if is(e) {
			n++
		}
	}
	return n
}

// sessionIn is the one certificate for a person that a file proves.
func sessionIn(t *testing.T, file api.Evidence) *evidence.SessionEntry {
	t.Helper()
	var found *evidence.SessionEntry
	n := entriesOf(t, file, func(e evidence.Entry) bool {
		if e.Session != nil {
			found = e.Session
		}
		return e.Session != nil
	})
	if n != 1 {
		t.Fatalf("the file holds %d certificates", n)
	}
	return found
}
