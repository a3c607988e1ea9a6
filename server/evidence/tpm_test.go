package evidence_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-tpm/legacy/tpm2"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// recordedTPM is what an emulated TPM with a certificate said of a key.
type recordedTPM struct {
	DeviceKey string            `json:"device_key"`
	Time      time.Time         `json:"time"`
	Roots     []string          `json:"roots"` // in PEM: of the maker, and of the authority under it
	MakerRoot string            `json:"maker_root"`
	Proof     evidence.TPMProof `json:"proof"`
}

func recorded(tb testing.TB) recordedTPM {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "tpm.json"))
	if err != nil {
		tb.Fatal(err)
	}
	var r recordedTPM
	if err := json.Unmarshal(data, &r); err != nil {
		tb.Fatal(err)
	}
	return r
}

// The certificate of the vector is signed by the authority, for which the root answers:
// striking the authority strikes the TPM, whether or not the root stays.
func TestRecordedTPMHasAMaker(t *testing.T) {
	t.Parallel()
	r := recorded(t)
	verified, err := evidence.VerifyTPM(r.Proof, r.DeviceKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		roots []string
		at    time.Time
		want  string
	}{
		"both":               {r.Roots, r.Time, r.MakerRoot},
		"the authority":      {r.Roots[1:], r.Time, r.MakerRoot},
		"the root alone":     {r.Roots[:1], r.Time, ""}, // what stands between is not known
		"before it was made": {r.Roots, r.Time.AddDate(-1, 0, 0), ""},
	} {
		maker := "kind: Organization\ntpmMakers:\n- name: Acme\n  roots:\n"
		for _, root := range c.roots {
			maker += "  - |\n    " + strings.ReplaceAll(strings.TrimSpace(root), "\n", "\n    ") + "\n"
		}
		policy, err := policies.Parse(map[string]string{"policy.yaml": maker})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := verified.MakerRoot(policy, c.at); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}

// Nothing that is signed can be altered by a bit, and every part is needed.
func TestAlteredTPMProofsAreRefused(t *testing.T) {
	t.Parallel()
	r := recorded(t)
	if _, err := evidence.VerifyTPM(r.Proof, r.DeviceKey); err != nil {
		t.Fatal(err)
	}
	parts := map[string]func(*evidence.TPMProof) *[]byte{
		"attestation public":    func(p *evidence.TPMProof) *[]byte { return &p.Attestation.Public },
		"attestation statement": func(p *evidence.TPMProof) *[]byte { return &p.Attestation.Statement },
		"attestation signature": func(p *evidence.TPMProof) *[]byte { return &p.Attestation.Signature },
		"creation":              func(p *evidence.TPMProof) *[]byte { return &p.Creation },
		"key public":            func(p *evidence.TPMProof) *[]byte { return &p.Key.Public },
		"key statement":         func(p *evidence.TPMProof) *[]byte { return &p.Key.Statement },
		"key signature":         func(p *evidence.TPMProof) *[]byte { return &p.Key.Signature },
	}
	for name, part := range parts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := *part(&r.Proof)
			try := func(change string, altered []byte) {
				t.Helper()
				bad := r.Proof
				*part(&bad) = altered
				if _, err := evidence.VerifyTPM(bad, r.DeviceKey); err == nil {
					t.Errorf("%s: the proof holds", change)
				}
			}
			for i := range whole {
				for _, bit := range []byte{1, 0x80} {
					altered := slices.Clone(whole)
					altered[i] ^= bit
					try("a bit", altered)
				}
			}
			try("nothing", nil)
			try("cut short", whole[:len(whole)-1])
			try("one byte more", append(slices.Clone(whole), 0))
			try("too long", make([]byte, 1<<10+1))
		})
	}
}

// tpmWorld is a world in which Alice enrols a device whose key is in a TPM, of a
// maker that the policy lists.
type tpmWorld struct {
	*world
	laptop *evidencetest.Device
	tpm    *evidencetest.TPM
	maker  *evidencetest.TPMMaker
}

func newTPMWorld(t *testing.T) *tpmWorld {
	w := &tpmWorld{world: newWorld(t), laptop: evidencetest.NewDevice(t, "dev-1"), tpm: evidencetest.NewTPM(t, 0)}
	w.maker = evidencetest.NewTPMMaker(t, w.Now)
	w.maker.Certify(t, w.tpm)
	w.Believe(w.maker, "Acme")
	return w
}

func TestVerifyDeviceInTPM(t *testing.T) {
	t.Parallel()
	type proof = evidence.TPMProof
	for name, c := range map[string]struct {
		check  string // empty: it holds
		before func(w *tpmWorld)
		forge  func(w *tpmWorld, p *proof)
		after  func(w *tpmWorld, e *evidence.DeviceEvidence)
		maker  string // of the result: listed, or none
	}{
		"it holds":         {maker: "listed"},
		"as it comes back": {maker: "listed", after: func(w *tpmWorld, e *evidence.DeviceEvidence) { *e = evidencetest.Clone(w.t, *e) }},
		"no proof":         {check: "tpm-proof", after: func(_ *tpmWorld, e *evidence.DeviceEvidence) { e.TPM = nil }},
		"an empty proof":   {check: "tpm-size", forge: func(_ *tpmWorld, p *proof) { *p = proof{} }},
		"a file's key with a proof": {check: "tpm-proof", after: func(w *tpmWorld, e *evidence.DeviceEvidence) {
			proof := e.TPM
			*e = w.DeviceEvidence(w.t, w.laptop, w.DeviceStatement(w.laptop))
			e.TPM = proof
		}},
		"another device's proof": {check: "tpm-key", forge: func(w *tpmWorld, p *proof) {
			*p = *w.tpm.Proof(w.t, evidencetest.NewDevice(w.t, "dev-2"))
		}},
		"another device's key in it": {check: "tpm-key", forge: func(w *tpmWorld, p *proof) {
			p.Key.Public = w.tpm.Proof(w.t, evidencetest.NewDevice(w.t, "dev-2")).Key.Public
		}},
		"certified by another TPM": {check: "tpm-key", forge: func(w *tpmWorld, p *proof) {
			p.Key = evidencetest.NewTPM(w.t, 1).Proof(w.t, w.laptop).Key
		}},
		"another TPM's attestation key": {check: "tpm-key", forge: func(w *tpmWorld, p *proof) {
			other := evidencetest.NewTPM(w.t, 1).Proof(w.t, w.laptop)
			p.Attestation, p.Creation = other.Attestation, other.Creation
		}},
		"another creation": {check: "tpm-attestation", forge: func(w *tpmWorld, p *proof) { p.Creation[len(p.Creation)-3] ^= 1 }},
		"an attestation key that signs anything": {check: "tpm-attestation",
			before: func(w *tpmWorld) { w.tpm.Attestation &^= tpm2.FlagRestricted }},
		"an attestation key that can leave": {check: "tpm-attestation", before: func(w *tpmWorld) { w.tpm.Attestation &^= tpm2.FlagFixedTPM }},
		"an attestation key that can be moved": {check: "tpm-attestation",
			before: func(w *tpmWorld) { w.tpm.Attestation &^= tpm2.FlagFixedParent }},
		"an attestation key from outside": {check: "tpm-attestation",
			before: func(w *tpmWorld) { w.tpm.Attestation &^= tpm2.FlagSensitiveDataOrigin }},
		"an attestation key that decrypts": {check: "tpm-attestation", before: func(w *tpmWorld) { w.tpm.Attestation |= tpm2.FlagDecrypt }},
		"an attestation key that does not sign": {check: "tpm-attestation",
			before: func(w *tpmWorld) { w.tpm.Attestation &^= tpm2.FlagSign }},
		"keys named by another algorithm": {check: "tpm-attestation", before: func(w *tpmWorld) { w.tpm.Names = tpm2.AlgSHA3_256 }},
		"not stated by a TPM":             {check: "tpm-attestation", before: func(w *tpmWorld) { w.tpm.Magic = 1 }},
		"a device key that can leave":     {check: "tpm-key", before: func(w *tpmWorld) { w.tpm.Key &^= tpm2.FlagFixedTPM }},
		"a device key that can be moved": {check: "tpm-key",
			before: func(w *tpmWorld) { w.tpm.Key &^= tpm2.FlagFixedParent }},
		"a device key from outside":  {check: "tpm-key", before: func(w *tpmWorld) { w.tpm.Key &^= tpm2.FlagSensitiveDataOrigin }},
		"a device key that decrypts": {check: "tpm-key", before: func(w *tpmWorld) { w.tpm.Key |= tpm2.FlagDecrypt }},
		"a device key that is no signer": {check: "tpm-key",
			before: func(w *tpmWorld) { w.tpm.Key &^= tpm2.FlagSign }},
		"a device key that attests":            {check: "tpm-key", before: func(w *tpmWorld) { w.tpm.Key |= tpm2.FlagRestricted }},
		"the attestation key certifies itself": {check: "tpm-key", forge: func(_ *tpmWorld, p *proof) { p.Key = p.Attestation }},
		"the device key attests":               {check: "tpm-attestation", forge: func(_ *tpmWorld, p *proof) { p.Attestation = p.Key }},
		"swapped":                              {check: "tpm-attestation", forge: func(_ *tpmWorld, p *proof) { p.Key, p.Attestation = p.Attestation, p.Key }},
		"a key and more":                       {check: "tpm-key", forge: func(_ *tpmWorld, p *proof) { p.Key.Public = append(p.Key.Public, 0) }},
		"a signature and more":                 {check: "tpm-key", forge: func(_ *tpmWorld, p *proof) { p.Key.Signature = append(p.Key.Signature, 0) }},
		"a part that is too long":              {check: "tpm-size", forge: func(_ *tpmWorld, p *proof) { p.Creation = make([]byte, 1<<10+1) }},
		"a certificate that is too long":       {check: "tpm-size", forge: func(_ *tpmWorld, p *proof) { p.Certificate = make([]byte, 4<<10+1) }},
		"an endorsement key withheld":          {check: "tpm-endorsement", forge: func(_ *tpmWorld, p *proof) { p.Endorsement, p.Certificate = nil, nil }},
		"a certificate without its key":        {check: "tpm-endorsement", forge: func(_ *tpmWorld, p *proof) { p.Endorsement = nil }},
		"an endorsement key that is none":      {check: "tpm-endorsement", forge: func(_ *tpmWorld, p *proof) { p.Endorsement = []byte("key") }},
		"an endorsement key and more":          {check: "tpm-endorsement", forge: func(_ *tpmWorld, p *proof) { p.Endorsement = append(p.Endorsement, 0) }},
		"an endorsement key on a curve": {check: "tpm-endorsement", forge: func(w *tpmWorld, p *proof) {
			key, err := evidence.ParseAuthorityKey(w.laptop.Public)
			if err != nil {
				w.t.Fatal(err)
			}
			if p.Endorsement, err = x509.MarshalPKIXPublicKey(key); err != nil {
				w.t.Fatal(err)
			}
		}},
		"a certificate that is none": {check: "tpm-certificate", forge: func(_ *tpmWorld, p *proof) { p.Certificate = []byte("certificate") }},
		"another TPM's certificate": {check: "tpm-certificate", forge: func(w *tpmWorld, p *proof) {
			other := evidencetest.NewTPM(w.t, 1)
			w.maker.Certify(w.t, other)
			p.Certificate = other.Certificate
		}},

		// It is in a TPM, as far as anybody says: whose, nobody does.
		"no certificate":                 {forge: func(_ *tpmWorld, p *proof) { p.Certificate = nil }},
		"a certificate of another maker": {before: func(w *tpmWorld) { evidencetest.NewTPMMaker(w.t, w.Now).Certify(w.t, w.tpm) }},
		"a certificate that is over": {before: func(w *tpmWorld) {
			w.maker.Alter = func(c *x509.Certificate) { c.NotAfter = w.Now.Add(-time.Second) }
			w.maker.Certify(w.t, w.tpm)
		}},
		"a certificate for something else": {before: func(w *tpmWorld) {
			w.maker.Alter = func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{2, 23, 133, 8, 3}} }
			w.maker.Certify(w.t, w.tpm)
		}},
		"a certificate of an authority": {before: func(w *tpmWorld) {
			w.maker.Alter = func(c *x509.Certificate) { c.IsCA = true }
			w.maker.Certify(w.t, w.tpm)
		}},
		"a certificate with something critical in it": {before: func(w *tpmWorld) {
			w.maker.Alter = func(c *x509.Certificate) {
				more := c.ExtraExtensions[0]
				more.Id = asn1.ObjectIdentifier{1, 2, 3}
				c.ExtraExtensions = append(c.ExtraExtensions, more)
			}
			w.maker.Certify(w.t, w.tpm)
		}},
		"no maker is believed": {before: func(w *tpmWorld) {
			w.Trust.Policy["policy.yaml"] = strings.Replace(w.Trust.Policy["policy.yaml"], w.maker.YAML("Acme"), "", 1)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTPMWorld(t)
			if c.before != nil {
				c.before(w)
			}
			given := w.DeviceInTPM(t, w.laptop, w.tpm)
			if c.forge != nil {
				c.forge(w, given.TPM)
			}
			if c.after != nil {
				c.after(w, &given)
			}
			verified, err := evidence.VerifyDevice(given, w.Trust, w.Now)
			if c.check != "" {
				refusedBy(t, err, c.check)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"listed": w.maker.Digest()}[c.maker]
			if verified.MakerRoot() != want {
				t.Errorf("the root is %q, want %q", verified.MakerRoot(), want)
			}
			// Whatever it proves, nothing is recorded before the TPM answered.
			_, err = verified.Entry()
			refusedBy(t, err, "challenge-answer")
		})
	}
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	challenger, err := evidence.NewChallenger(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := evidence.NewChallenger(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		check string // empty: the answer counts
		alter func(w *tpmWorld, given *evidence.DeviceEvidence, by **evidence.Challenger, answer *evidence.DeviceAnswer)
		after time.Duration
	}{
		"it counts": {},
		"in another zone": {alter: func(_ *tpmWorld, _ *evidence.DeviceEvidence, _ **evidence.Challenger, a *evidence.DeviceAnswer) {
			a.Expires = a.Expires.In(time.FixedZone("", 3600))
		}},
		"just in time":     {after: evidence.ChallengeLife - time.Second},
		"too late":         {check: "challenge-expires", after: evidence.ChallengeLife},
		"a clock put back": {check: "challenge-expires", after: -time.Minute},
		"no answer": {check: "challenge-answer", alter: func(_ *tpmWorld, _ *evidence.DeviceEvidence, _ **evidence.Challenger, a *evidence.DeviceAnswer) {
			a.Secret = nil
		}},
		"an altered answer": {check: "challenge-answer", alter: func(_ *tpmWorld, _ *evidence.DeviceEvidence, _ **evidence.Challenger, a *evidence.DeviceAnswer) {
			a.Secret[0] ^= 1
		}},
		"a longer time": {check: "challenge-answer", after: time.Second, alter: func(_ *tpmWorld, _ *evidence.DeviceEvidence, _ **evidence.Challenger, a *evidence.DeviceAnswer) {
			a.Expires = a.Expires.Add(time.Second)
		}},
		"a part of a second": {check: "challenge-expires", alter: func(_ *tpmWorld, _ *evidence.DeviceEvidence, _ **evidence.Challenger, a *evidence.DeviceAnswer) {
			a.Expires = a.Expires.Add(-1)
		}},
		"for another signer": {check: "challenge-answer", alter: func(_ *tpmWorld, _ *evidence.DeviceEvidence, by **evidence.Challenger, _ *evidence.DeviceAnswer) {
			*by = other
		}},
		"for another statement": {check: "challenge-answer", alter: func(w *tpmWorld, e *evidence.DeviceEvidence, _ **evidence.Challenger, _ *evidence.DeviceAnswer) {
			*e = w.DeviceInTPM(w.t, w.laptop, w.tpm)
		}},
		"for another endorsement key": {check: "challenge-answer", alter: func(w *tpmWorld, e *evidence.DeviceEvidence, _ **evidence.Challenger, _ *evidence.DeviceAnswer) {
			e.TPM.Endorsement, e.TPM.Certificate = evidencetest.NewTPM(w.t, 1).Proof(w.t, w.laptop).Endorsement, nil
		}},
		"for another certificate": {check: "challenge-answer", alter: func(w *tpmWorld, e *evidence.DeviceEvidence, _ **evidence.Challenger, _ *evidence.DeviceAnswer) {
			e.TPM.Certificate = nil
		}},
		"for another attestation key": {check: "challenge-answer", alter: func(w *tpmWorld, e *evidence.DeviceEvidence, _ **evidence.Challenger, _ *evidence.DeviceAnswer) {
			e.TPM = evidencetest.NewTPM(w.t, 0).Proof(w.t, w.laptop)
		}},
		"for a key in a file": {check: "challenge", alter: func(w *tpmWorld, e *evidence.DeviceEvidence, _ **evidence.Challenger, _ *evidence.DeviceAnswer) {
			*e = w.DeviceEvidence(w.t, w.laptop, w.DeviceStatement(w.laptop))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTPMWorld(t)
			given := w.DeviceInTPM(t, w.laptop, w.tpm)
			verified, err := evidence.VerifyDevice(given, w.Trust, w.Now)
			if err != nil {
				t.Fatal(err)
			}
			challenge, err := challenger.Challenge(verified, w.Now)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := w.tpm.Answer(t, challenge)
			if err != nil {
				t.Fatal(err)
			}
			by := challenger
			if c.alter != nil {
				c.alter(w, &given, &by, &answer)
			}
			if verified, err = evidence.VerifyDevice(given, w.Trust, w.Now); err != nil {
				t.Fatal(err)
			}
			answered, err := by.Answered(verified, answer, w.Now.Add(c.after))
			if c.check != "" {
				refusedBy(t, err, c.check)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if entry, err := answered.Entry(); err != nil || !entry.Answered || entry.MakerRoot != w.maker.Digest() {
				t.Errorf("the entry is %+v, %v", entry, err)
			}
			if _, err := verified.Entry(); err == nil {
				t.Error("what was verified before became answered")
			}
		})
	}
}

// A challenge is sealed to both keys: a TPM with one of them cannot open it.
func TestChallengeIsSealedToBothKeys(t *testing.T) {
	t.Parallel()
	w := newTPMWorld(t)
	challenger, err := evidence.NewChallenger(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	mine, theirs := w.tpm, evidencetest.NewTPM(t, 1)
	mixed := w.DeviceInTPM(t, w.laptop, mine)
	mixed.TPM.Endorsement, mixed.TPM.Certificate = theirs.Proof(t, w.laptop).Endorsement, nil
	verified, err := evidence.VerifyDevice(mixed, w.Trust, w.Now)
	if err != nil {
		t.Fatal(err)
	}
	challenge, err := challenger.Challenge(verified, w.Now)
	if err != nil {
		t.Fatal(err)
	}
	for name, tpm := range map[string]*evidencetest.TPM{"the attestation key's": mine, "the endorsement key's": theirs} {
		if _, err := tpm.Answer(t, challenge); err == nil {
			t.Errorf("%s TPM answers", name)
		}
	}
	file, err := evidence.VerifyDevice(w.DeviceEvidence(t, w.laptop, w.DeviceStatement(w.laptop)), w.Trust, w.Now)
	if err != nil {
		t.Fatal(err)
	}
	_, err = challenger.Challenge(file, w.Now)
	refusedBy(t, err, "challenge")
}

// An auditor checks the proof and the maker anew, by what was believed then; that the
// TPM answered is the signer's word, which an entry cannot be without.
func TestDeviceInTPMInTheLedger(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		check string
		alter func(*evidence.DeviceEntry)
	}{
		"it holds":      {},
		"not answered":  {"entry-answered", func(e *evidence.DeviceEntry) { e.Answered = false }},
		"another maker": {"entry-maker", func(e *evidence.DeviceEntry) { e.MakerRoot = "sha256:" + strings.Repeat("0", 64) }},
		"an altered proof": {"device-tpm-key", func(e *evidence.DeviceEntry) {
			p := *e.Evidence.TPM
			p.Key.Signature = slices.Clone(p.Key.Signature)
			p.Key.Signature[len(p.Key.Signature)-1] ^= 1
			e.Evidence.TPM = &p
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHistory(t)
			d, tpm := evidencetest.NewDevice(t, "dev-1"), evidencetest.NewTPM(t, 0)
			entry := &evidence.DeviceEntry{Evidence: h.DeviceInTPM(t, d, tpm), Answered: true}
			if c.alter != nil {
				c.alter(entry)
			}
			e := evidence.Entry{Time: h.Now, Believed: h.beliefs.Latest(), Device: entry}
			err := h.beliefs.Check(e)
			if c.check != "" {
				refusedBy(t, err, strings.TrimPrefix(c.check, "device-"))
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			after, err := h.beliefs.Apply(h.beliefs.Latest()+1, e)
			if err != nil {
				t.Fatal(err)
			}
			if known, _ := after.Devices().Find("dev-1"); known.Held != evidence.HeldTPM || known.MakerRoot != "" {
				t.Errorf("the device is %+v", known)
			}
		})
	}
}

// FuzzVerifyTPM: mutated JSON, which seldom reaches the TPM's own structures; and each
// part of a proof by itself.
func FuzzVerifyTPM(f *testing.F) {
	r := recorded(f)
	parts := func(p *evidence.TPMProof) []*[]byte {
		return []*[]byte{
			&p.Endorsement, &p.Certificate, &p.Attestation.Public, &p.Attestation.Statement, &p.Attestation.Signature,
			&p.Creation, &p.Key.Public, &p.Key.Statement, &p.Key.Signature,
		}
	}
	for i, part := range parts(&r.Proof) {
		f.Add(uint8(i), *part)
	}
	whole, err := json.Marshal(r.Proof)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(255), whole)
	f.Fuzz(func(t *testing.T, number uint8, data []byte) {
		p := r.Proof
		all := parts(&p)
		if int(number) >= len(all) {
			p = evidence.TPMProof{}
			if json.Unmarshal(data, &p) != nil {
				return
			}
			_, err := evidence.VerifyTPM(p, r.DeviceKey)
			if _, refused := err.(*evidence.Failure); err != nil && !refused {
				t.Errorf("it is refused with %v", err)
			}
			return
		}
		part := all[number]
		same := slices.Equal(*part, data)
		*part = data
		_, err := evidence.VerifyTPM(p, r.DeviceKey)
		if _, refused := err.(*evidence.Failure); err != nil && !refused {
			t.Errorf("it is refused with %v", err)
		}
		if err == nil && number >= 2 && !same {
			t.Errorf("part %d was altered, and the proof holds", number)
		}
	})
}
