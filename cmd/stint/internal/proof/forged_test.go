package proof_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/cmd/stint/internal/proof"
	"stint/cmd/stint/internal/proof/prooftest"
	"stint/policies"
	"stint/server/api"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// What somebody who holds the file can do to it, and what a broker can that made it.
func TestAFileThatWasTamperedWithIsRefused(t *testing.T) {
	t.Parallel()
	w := prooftest.Story(t)
	other := prooftest.Story(t)
	session := func(f *api.Evidence) *api.ProvenEntry {
		i := slices.IndexFunc(f.Entries, func(e api.ProvenEntry) bool { return strings.Contains(e.Entry, `"session":`) })
		return &f.Entries[i]
	}
	without := func(f *api.Evidence, what string) {
		f.Entries = slices.DeleteFunc(f.Entries, func(e api.ProvenEntry) bool { return strings.Contains(e.Entry, what) })
	}
	certificate := func(f *api.Evidence, change func(*ssh.Certificate)) {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(f.Certificates[0]))
		if err != nil {
			t.Fatal(err)
		}
		change(key.(*ssh.Certificate))
		f.Certificates = []string{strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))}
	}
	tests := []struct {
		name, check string
		alter       func(*api.Evidence, *proof.Anchor)
	}{
		{"another reason", "inclusion", func(f *api.Evidence, _ *proof.Anchor) {
			session(f).Entry = strings.Replace(session(f).Entry, "disk full", "disk gone", 1)
		}},
		{"another group in an enrolment", "inclusion", func(f *api.Evidence, _ *proof.Anchor) {
			f.Entries[4].Entry = strings.Replace(f.Entries[4].Entry, "sre-leads", "security-", 1)
		}},
		{"an entry at another place", "inclusion", func(f *api.Evidence, _ *proof.Anchor) { session(f).Index++ }},
		{"an entry twice", "entries", func(f *api.Evidence, _ *proof.Anchor) { f.Entries = slices.Insert(f.Entries, 1, f.Entries[1]) }},
		{"entries in another order", "entries", func(f *api.Evidence, _ *proof.Anchor) { f.Entries[2], f.Entries[3] = f.Entries[3], f.Entries[2] }},
		{"a path cut short", "inclusion", func(f *api.Evidence, _ *proof.Anchor) { session(f).Path = session(f).Path[1:] }},
		{"a hash of a path that is none", "inclusion", func(f *api.Evidence, _ *proof.Anchor) { session(f).Path[0] = "AA==" }},
		{"an endless path", "inclusion", func(f *api.Evidence, _ *proof.Anchor) { session(f).Path = make([]string, 65) }},
		{"without the suspension", "history", func(f *api.Evidence, _ *proof.Anchor) { without(f, `"suspension":`) }},
		{"without the new policy", "history", func(f *api.Evidence, _ *proof.Anchor) { without(f, `before: sha256`) }},
		{"without the first entry", "history", func(f *api.Evidence, _ *proof.Anchor) { f.Entries = f.Entries[1:] }},
		{"without the newest key", "history", func(f *api.Evidence, _ *proof.Anchor) { without(f, `"succession":`) }},
		{"an entry that is nobody's", "entries", func(f *api.Evidence, _ *proof.Anchor) {
			f.Entries = slices.Insert(f.Entries, 12, w.Log.Prove(12))
		}},
		{"the checkpoint of another log", "checkpoint", func(f *api.Evidence, _ *proof.Anchor) { f.Checkpoint = other.Log.Checkpoint() }},
		{"a checkpoint that nobody signed", "checkpoint", func(f *api.Evidence, _ *proof.Anchor) {
			f.Checkpoint = f.Checkpoint[:strings.Index(f.Checkpoint, "\n\n")+2]
		}},
		{"the certificate of another request", "certificate", func(f *api.Evidence, _ *proof.Anchor) { f.Certificates = other.Certificates }},
		{"a certificate that is none", "certificate", func(f *api.Evidence, _ *proof.Anchor) { f.Certificates = []string{w.Login.Public} }},
		{"a certificate that counts too late", "certificate", func(f *api.Evidence, _ *proof.Anchor) {
			certificate(f, func(c *ssh.Certificate) { c.ValidAfter = c.ValidBefore - 1 })
		}},
		{"a certificate that the key did not sign", "certificate-signature", func(f *api.Evidence, _ *proof.Anchor) {
			certificate(f, func(c *ssh.Certificate) { c.Signature.Blob[0] ^= 1 })
		}},
		{"another request's name", "entries", func(f *api.Evidence, _ *proof.Anchor) { f.Request = "req-another" }},
		{"approvals beside a certificate", "agreed", func(f *api.Evidence, _ *proof.Anchor) { f.Agreed = w.Agreed().Agreed }},

		{"another log is trusted", "checkpoint", func(_ *api.Evidence, a *proof.Anchor) { a.Log = other.Anchor.Log }},
		{"a log key that is none", "trust", func(_ *api.Evidence, a *proof.Anchor) { a.Log = "nonsense" }},
		{"a witness key that is none", "trust", func(_ *api.Evidence, a *proof.Anchor) { a.Witnesses = []string{"nonsense"} }},
		{"another first administrator", "ceremony", func(_ *api.Evidence, a *proof.Anchor) { a.Administrators = other.Anchor.Administrators }},
		{"one first administrator fewer", "ceremony", func(_ *api.Evidence, a *proof.Anchor) { a.Administrators = a.Administrators[:1] }},
		{"another first policy", "first-policy", func(_ *api.Evidence, a *proof.Anchor) { a.Policy = "sha256:" + strings.Repeat("0", 64) }},
		{"another key of the provider", "issuer-keys", func(_ *api.Evidence, a *proof.Anchor) { a.Issuer.Keys = []string{other.Issuer.JWK(t)} }},
		{"another installation", "instance", func(_ *api.Evidence, a *proof.Anchor) { a.Instance = "elsewhere" }},
		{"another relying party", "possession-relying-party", func(_ *api.Evidence, a *proof.Anchor) { a.RelyingParty = "example.com" }},
		{"another portal", "possession-origin", func(_ *api.Evidence, a *proof.Anchor) { a.Origins = []string{"https://example.com"} }},
		{"another provider", "authority-id-token", func(_ *api.Evidence, a *proof.Anchor) { a.Issuer.URL = "https://example.com" }},
		{"another client", "authority-id-token-audience", func(_ *api.Evidence, a *proof.Anchor) { a.Issuer.ClientID = "portal" }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file, anchor := evidencetest.Clone(t, w.Export(true)), evidencetest.Clone(t, w.Anchor)
			test.alter(&file, &anchor)
			if _, err := proof.Verify(file, anchor); checkOf(err) != test.check {
				t.Errorf("refused by %q, want %q: %v", checkOf(err), test.check, err)
			}
		})
	}
	// The keys that somebody else saw may be written otherwise.
	w.Anchor.Issuer.Keys = []string{strings.Replace(w.Issuer.JWK(t), `"key-1"`, `"another name"`, 1)}
	if _, err := proof.Verify(w.Export(true), w.Anchor); err != nil {
		t.Errorf("with the provider's keys pinned: %v", err)
	}
}

// What a signer could write that its own rules forbid. An auditor finds it, though
// everything is in the ledger and signed by the log's key.
func TestASignerThatBrokeItsRulesIsFoundOut(t *testing.T) {
	t.Parallel()
	mallory := &evidencetest.Member{Person: evidencetest.Person("mallory", "security"), Passkey: evidencetest.NewPasskey(t, evidencetest.RelyingParty, evidencetest.Origin)}
	tests := []struct {
		name, check string
		write       func(*prooftest.World)
	}{
		{"an approver whom one administrator let in", "authority-quorum", func(w *prooftest.World) {
			w.Force(w.Enrolled(mallory, w.Dana))
			w.Issue()
		}},
		{"an approver whom nobody let in", "ceremony", func(w *prooftest.World) {
			e := w.Enrolled(mallory)
			e.Enrolment.Evidence.Ceremony, e.Enrolment.Authority = true, evidence.AuthorityCeremony
			w.Write(e)
		}},
		{"a certificate after the end", "ending", func(w *prooftest.World) {
			w.Issue()
			w.End()
			w.Issue()
		}},
		{"a connection after the end", "ending", func(w *prooftest.World) {
			w.Issue()
			w.End()
			w.Enter()
		}},
		{"a connection elsewhere", "target", func(w *prooftest.World) {
			w.Issue()
			w.Request.Ask.Target = "keys-1"
			w.Enter()
		}},
		{"a connection before a certificate", "target", func(w *prooftest.World) { w.Enter() }},
		{"an extension before a certificate", "extension", func(w *prooftest.World) { w.Extend(nil) }},
		{"an extension after the end", "ending", func(w *prooftest.World) {
			w.Issue()
			w.End()
			w.Extend(nil)
		}},
		{"an extension elsewhere", "extension", func(w *prooftest.World) {
			w.Issue()
			w.Extend(func(e *evidence.ExtensionEntry) { e.Principal = "root@keys-1" })
		}},
		{"an extension for longer", "extension", func(w *prooftest.World) {
			w.Issue()
			w.Extend(func(e *evidence.ExtensionEntry) { e.Ends = e.Ends.Add(24 * time.Hour) })
		}},
		{"an extension by another request", "entries", func(w *prooftest.World) {
			w.Issue()
			w.Extend(func(e *evidence.ExtensionEntry) { e.Request = "req-other" })
		}},
		{"a presence before a certificate", "presence", func(w *prooftest.World) { w.SayPresent(w.Bob.Passkey, nil) }},
		{"a presence of somebody without a passkey", "presence-roster", func(w *prooftest.World) {
			w.Issue()
			w.SayPresent(w.Bob.Passkey, nil)
		}},
		{"a presence for another request", "entries", func(w *prooftest.World) {
			w.Issue()
			w.SayPresent(w.Bob.Passkey, func(p *evidence.Presence) { p.Request = "req-other" })
		}},
		{"a certificate that one stage did not agree to", "policy", func(w *prooftest.World) {
			w.Force(w.Session(func(e *evidence.SessionEntry) { e.Bundle.Approvals = e.Bundle.Approvals[:1] }))
		}},
		{"a certificate for longer", "session", func(w *prooftest.World) {
			w.Force(w.Session(func(e *evidence.SessionEntry) { e.Ends = e.Ends.Add(time.Hour) }))
		}},
		{"a certificate for somebody else", "session", func(w *prooftest.World) {
			w.Force(w.Session(func(e *evidence.SessionEntry) { e.Requester = w.Bob.Person.Subject }))
		}},
		{"a certificate for another key", "session", func(w *prooftest.World) {
			w.Force(w.Session(func(e *evidence.SessionEntry) { e.SessionKey = evidencetest.NewKey(t).Public }))
		}},
		{"a certificate by another policy", "session", func(w *prooftest.World) {
			w.Force(w.Session(func(e *evidence.SessionEntry) { e.PolicyDigest = w.Anchor.Policy }))
		}},
		{"a certificate that conflicts with what is held", "policy", func(w *prooftest.World) {
			w.Force(w.Session(func(e *evidence.SessionEntry) {
				e.Circumstances.Held = []policies.Held{{Request: "req-other", Role: "key-management"}}
			}))
		}},
		{"a certificate signed by a key of somebody's", "certificate-authority", func(w *prooftest.World) {
			w.Issue()
			w.CertifyByStranger()
		}},
		{"another provider's key", "issuer-keys", func(w *prooftest.World) {
			w.Anchor.Issuer.Keys = []string{w.Issuer.JWK(t)}
			w.Issuer = evidencetest.NewIssuer(t, evidencetest.IssuerURL, evidencetest.ClientID)
			w.Force(evidence.Entry{Keys: &evidence.KeysEntry{Issuer: []evidence.IssuerKey{{JWK: w.Issuer.JWK(t), Seen: w.Now}}}})
			w.Issue()
		}},
		{"an approver who is suspended", "approval-suspended", func(w *prooftest.World) {
			e := w.Session(nil)
			w.Add(evidence.Entry{Suspension: &evidence.SuspensionEntry{Person: w.Bob.Person.Subject, Name: "Bob", By: w.Carol.Person.Subject}})
			w.Force(e)
		}},
		{"a certificate once more, though its key counts", "reissue-key", func(w *prooftest.World) {
			w.Reissue(w.Issue(), func(*evidence.SessionEntry) {})
		}},
		{"a certificate once more, twice", "reissue", func(w *prooftest.World) {
			first := w.Issue()
			w.Withdraw()
			w.Reissue(first, nil)
			w.Reissue(first, func(*evidence.SessionEntry) {})
		}},
		{"a certificate once more, in the place of none", "reissue", func(w *prooftest.World) {
			first := w.Issue()
			w.Withdraw()
			w.Reissue(first, func(e *evidence.SessionEntry) { e.Reissues = 1 })
		}},
		{"a certificate once more, for longer", "reissue", func(w *prooftest.World) {
			first := w.Issue()
			w.Withdraw()
			w.Reissue(first, func(e *evidence.SessionEntry) { e.Ends = e.Ends.Add(time.Second) })
		}},
		{"a certificate once more, for another key", "reissue", func(w *prooftest.World) {
			first := w.Issue()
			w.Withdraw()
			w.Reissue(first, func(e *evidence.SessionEntry) { e.SessionKey = evidencetest.NewKey(t).Public })
		}},
		{"a certificate once more, elsewhere", "reissue", func(w *prooftest.World) {
			first := w.Issue()
			w.Withdraw()
			w.Reissue(first, func(e *evidence.SessionEntry) { e.Principal = "root@web-1" })
		}},
		{"a certificate once more, for somebody else", "reissue", func(w *prooftest.World) {
			first := w.Issue()
			w.Withdraw()
			w.Reissue(first, func(e *evidence.SessionEntry) { e.Requester = w.Bob.Person.Subject })
		}},
		{"a certificate once more, with other evidence", "reissue", func(w *prooftest.World) {
			first := w.Issue()
			w.Withdraw()
			w.Reissue(first, func(e *evidence.SessionEntry) { e.Bundle = w.Bundle(t) })
		}},
		{"a certificate once more, after the end", "ending", func(w *prooftest.World) {
			first := w.Issue()
			w.Withdraw()
			w.End()
			w.Reissue(first, func(*evidence.SessionEntry) {})
		}},
		{"a certificate once more, after its time", "reissue-over", func(w *prooftest.World) {
			first := w.Issue()
			w.Withdraw()
			w.Reissue(first, func(e *evidence.SessionEntry) { w.Now = e.Ends })
		}},
		{"a certificate once more, for somebody suspended", "requester-suspended", func(w *prooftest.World) {
			first := w.Issue()
			w.Withdraw()
			w.Now = w.Now.Add(time.Second)
			w.Add(evidence.Entry{Suspension: &evidence.SuspensionEntry{Person: w.Alice.Subject, Name: "Alice", By: w.Carol.Person.Subject}})
			w.Reissue(first, func(*evidence.SessionEntry) {})
		}},
		{"a certificate once more, agreed to by somebody suspended since", "approval-suspended", func(w *prooftest.World) {
			first := w.Issue()
			w.Withdraw()
			w.Now = w.Now.Add(time.Second)
			w.Add(evidence.Entry{Suspension: &evidence.SuspensionEntry{Person: w.Bob.Person.Subject, Name: "Bob", By: w.Carol.Person.Subject}})
			w.Reissue(first, func(*evidence.SessionEntry) {})
		}},
		{"a certificate once more, beside a conflicting one", "policy", func(w *prooftest.World) {
			first := w.Issue()
			w.Withdraw()
			w.Reissue(first, func(e *evidence.SessionEntry) {
				e.Circumstances.Held = []policies.Held{{Request: "req-other", Role: "key-management"}}
			})
		}},
		{"a certificate once more, of a revision that was replaced", "reissue", func(w *prooftest.World) {
			first := w.Issue()
			w.Request.Revision, w.World.Session = 2, evidencetest.NewKey(t)
			w.Issue()
			w.Withdraw()
			w.Reissue(first, func(*evidence.SessionEntry) {})
		}},
		{"a certificate once more, signed by the key that was withdrawn", "certificate-authority", func(w *prooftest.World) {
			first := w.Issue()
			w.Withdraw()
			w.Reissue(first, nil)
			w.CertifyByWithdrawn()
		}},
		{"an entry that holds two things", "entries", func(w *prooftest.World) {
			e := w.Session(nil)
			e.Host = &evidence.HostEntry{Proxy: "proxy-1"}
			w.Force(e)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := prooftest.New(t)
			test.write(w)
			if _, err := proof.Verify(w.Export(true), w.Anchor); checkOf(err) != test.check {
				t.Errorf("refused by %q, want %q: %v", checkOf(err), test.check, err)
			}
		})
	}
}

func TestTheAnchorComesFromTheBeginning(t *testing.T) {
	t.Parallel()
	w := prooftest.New(t)
	trust := w.Beliefs.Trust(w.Now)
	anchor, err := proof.AnchorOf(w.Beginning(), trust)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := prooftest.JSON(t, anchor), prooftest.JSON(t, w.Anchor); got != want {
		t.Errorf("the anchor is\n%s, want\n%s", got, want)
	}
	data, err := json.Marshal(anchor)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := proof.ReadAnchor(data); err != nil || prooftest.JSON(t, again) != prooftest.JSON(t, anchor) {
		t.Errorf("read again it is %+v, %v", again, err)
	}
	for name, test := range map[string]struct {
		check string
		alter func(*api.Evidence)
	}{
		"another administrator": {"inclusion", func(f *api.Evidence) { f.Entries[1].Entry = strings.Replace(f.Entries[1].Entry, "Dana", "Dora", 1) }},
		"somebody who was let in later": {"beginning", func(f *api.Evidence) {
			f.Entries = append(f.Entries, w.Log.Prove(4))
		}},
		"no administrator": {"beginning", func(f *api.Evidence) { f.Entries = f.Entries[:1] }},
		"another log's":    {"checkpoint", func(f *api.Evidence) { f.Checkpoint = prooftest.New(t).Log.Checkpoint() }},
	} {
		file := w.Beginning()
		test.alter(&file)
		if _, err := proof.AnchorOf(file, trust); checkOf(err) != test.check {
			t.Errorf("%s: refused by %q, want %q: %v", name, checkOf(err), test.check, err)
		}
	}
}
