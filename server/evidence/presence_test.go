package evidence_test

import (
	"strings"
	"testing"
	"time"

	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

func TestVerifyPresence(t *testing.T) {
	t.Parallel()
	const session = "3769c3445bcb1053e62cc7c37e49ab89"
	type being struct {
		*evidencetest.World
		presence *evidence.Presence
		by       *evidencetest.Passkey
	}
	for name, c := range map[string]struct {
		check string
		alter func(w *being)
	}{
		"a good one":                          {"", func(*being) {}},
		"of another installation":             {"instance", func(w *being) { w.presence.Instance = "other" }},
		"of an installation that this is not": {"instance", func(w *being) { w.Trust.Instance = "other" }},
		"of another request":                  {"presence-repeats", func(w *being) { w.presence.Request = "other" }},
		"of another revision":                 {"presence-repeats", func(w *being) { w.presence.RequestDigest = "sha256:" + strings.Repeat("0", 64) }},
		"of another role":                     {"presence-repeats", func(w *being) { w.presence.Role = "key-management" }},
		"of another login":                    {"presence-repeats", func(w *being) { w.presence.Login = "root" }},
		"of another target":                   {"presence-repeats", func(w *being) { w.presence.Target = "keys-1" }},
		"of another person":                   {"presence-repeats", func(w *being) { w.presence.Person, w.by = w.Bob.Person.Subject, w.Bob.Passkey }},
		"of another name":                     {"presence-repeats", func(w *being) { w.presence.PersonName = "Bob" }},
		"from the future":                     {"presence-issued", func(w *being) { w.presence.Issued = w.Now.Add(31 * time.Second) }},
		"as old as it may be":                 {"", func(w *being) { w.presence.Issued = w.Now.Add(-evidence.PresenceLife) }},
		"older":                               {"presence-issued", func(w *being) { w.presence.Issued = w.Now.Add(-evidence.PresenceLife - time.Second) }},
		"by somebody else's passkey":          {"presence-passkey", func(w *being) { w.by = w.Bob.Passkey }},
		"by somebody suspended":               {"presence-suspended", func(w *being) { w.Member("alice").Suspended = &w.Request.Issued }},
		"by a passkey too weak": {"presence-attested", func(w *being) {
			w.Trust.Policy["policy.yaml"] = strings.Replace(w.Trust.Policy["policy.yaml"], "requesters: [engineering]\n",
				"requesters: [engineering]\npasskey: {requester: attested}\n", 1)
		}},
		"in a role that is no more": {"presence-role", func(w *being) {
			w.Trust.Policy["policy.yaml"] = strings.ReplaceAll(w.Trust.Policy["policy.yaml"], w.Request.Ask.Role, "another-role")
		}},
		"with another's signature": {"presence-signature", func(w *being) {
			forged := *w.Bob.Passkey
			forged.Credential, w.by = w.by.Credential, &forged
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &being{World: evidencetest.NewWorld(t)}
			w.Trust.Policy["policy.yaml"] = strings.Replace(w.Trust.Policy["policy.yaml"], "quorum: 1\n", "quorum: 1\n"+evidencetest.NewMaker(t).YAML("nobody"), 1)
			alice := &evidencetest.Member{Person: w.Alice, Passkey: evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)}
			w.Pin(alice, nil)
			w.presence, w.by = w.Presence(t, session), alice.Passkey
			c.alter(w)
			v, err := evidence.VerifyPresence(evidencetest.Signed(t, w.presence, w.by), w.RequestText(t), w.Trust, w.Now)
			checked(t, err, c.check)
			if err == nil && (v.Entry().Session != session || v.Entry().Request != w.Request.Request) {
				t.Errorf("it is proven as %+v", v.Entry())
			}
		})
	}
}
