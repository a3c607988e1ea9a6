package access_test

import (
	"bytes"
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
)

// TestAuditEncoding pins the bytes: leaves of years ago must stay readable, and
// their hashes are over exactly this.
func TestAuditEncoding(t *testing.T) {
	t.Parallel()
	alice := policies.Person{Subject: policies.Subject{Issuer: "https://id", Subject: "alice"}, Name: `Alice "A" <b>`, Email: "not written"}
	moment := time.Date(2026, 3, 4, 6, 7, 8, 9000, time.FixedZone("", 3600))
	for want, event := range map[string]access.AuditEvent{
		`{"version":1,"time":"2026-03-04T05:07:08.000009Z","kind":"request.asked","actor":{"issuer":"https://id","subject":"alice","name":"Alice \"A\" <b>"},"request":"req-1","session":"s","text":"a & b","data":{"z":1,"a":2}}`: {
			Version: 1, Time: moment, Kind: access.EventAsked, Actor: access.ActorOf(alice), Request: "req-1", Session: "s", Text: "a & b", Data: []byte(`{"z":1,"a":2}`),
		},
		`{"version":1,"time":"2026-03-04T05:07:08.000009Z","kind":"session.ended","actor":{"proxy":"proxy-1"},"text":""}`: {
			Version: 1, Time: moment, Kind: access.EventSessionEnded, Actor: &access.Actor{Proxy: "proxy-1"},
		},
	} {
		got, err := event.Encode()
		if err != nil || string(got) != want {
			t.Errorf("encoded as\n%s, %v, want\n%s", got, err, want)
		}
		read, err := access.ParseAuditEvent(got)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := read.Encode(); err != nil || !bytes.Equal(again, got) {
			t.Errorf("read and encoded again:\n%s, %v, want\n%s", again, err, got)
		}
	}
}

func TestParseAuditEventRefuses(t *testing.T) {
	t.Parallel()
	for _, data := range []string{
		``, `null`, `{}`, `[]`, `{"version":2,"time":"2026-03-04T05:07:08Z","kind":"x","text":""}`,
		`{"version":1,"time":"2026-03-04T05:07:08Z","kind":"x","text":"","more":1}`,
		`{"version":1,"time":"yesterday","kind":"x","text":""}`,
		`{"version":1,"time":"2026-03-04T05:07:08Z","kind":"x","text":""} {}`,
	} {
		if e, err := access.ParseAuditEvent([]byte(data)); err == nil {
			t.Errorf("%s was read as %+v", data, e)
		}
	}
}

// FuzzParseAuditEvent: whatever is read encodes to something that reads the same.
func FuzzParseAuditEvent(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := access.ParseAuditEvent(data)
		if err != nil {
			return
		}
		encoded, err := e.Encode()
		if err != nil {
			return // a time beyond the year 9999 in UTC
		}
		again, err := access.ParseAuditEvent(encoded)
		if err != nil {
			t.Fatalf("%s was read; its encoding %s is not: %v", data, encoded, err)
		}
		twice, err := again.Encode()
		if err != nil || !bytes.Equal(encoded, twice) {
			t.Fatalf("encoded as %s, then as %s, %v", encoded, twice, err)
		}
	})
}
