package device

import (
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// recorded is the file of a key that an emulated TPM made, without the parts that
// only that TPM can use.
func recorded(tb testing.TB) record {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "tpm.json"))
	if err != nil {
		tb.Fatal(err)
	}
	key, err := parse(data)
	if err != nil {
		tb.Fatal(err)
	}
	return key.record
}

func TestRecordedProofHolds(t *testing.T) {
	t.Parallel()
	r := recorded(t)
	verified, err := r.TPM.Proof.Verify(r.Public)
	if err != nil {
		t.Fatal(err)
	}
	if _, secret, err := verified.Challenge(rand.Reader); err != nil || len(secret) != 32 {
		t.Errorf("a challenge: %x, %v", secret, err)
	}
}

// Nothing that is signed can be altered by a bit, and every part is needed.
func TestAlteredProofsAreRefused(t *testing.T) {
	t.Parallel()
	r := recorded(t)
	parts := map[string]func(*Proof) *[]byte{
		"attestation public":    func(p *Proof) *[]byte { return &p.Attestation.Public },
		"attestation statement": func(p *Proof) *[]byte { return &p.Attestation.Statement },
		"attestation signature": func(p *Proof) *[]byte { return &p.Attestation.Signature },
		"creation":              func(p *Proof) *[]byte { return &p.Creation },
		"key public":            func(p *Proof) *[]byte { return &p.Key.Public },
		"key statement":         func(p *Proof) *[]byte { return &p.Key.Statement },
		"key signature":         func(p *Proof) *[]byte { return &p.Key.Signature },
	}
	for name, part := range parts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := *part(&r.TPM.Proof)
			try := func(change string, altered []byte) {
				bad := r.TPM.Proof
				*part(&bad) = altered
				if _, err := bad.Verify(r.Public); err == nil {
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
			try("too long", make([]byte, maxPart+1))
		})
	}
}

func TestProofsOfSomethingElseAreRefused(t *testing.T) {
	t.Parallel()
	r := recorded(t)
	var other record
	if err := other.inFile(rand.Reader); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		key    string
		change func(*Proof)
	}{
		"another device key":            {other.Public, func(*Proof) {}},
		"no device key":                 {"", func(*Proof) {}},
		"the attestation key certifies": {r.Public, func(p *Proof) { p.Key = p.Attestation }},
		"the device key attests":        {r.Public, func(p *Proof) { p.Attestation = p.Key }},
		"swapped":                       {r.Public, func(p *Proof) { p.Key, p.Attestation = p.Attestation, p.Key }},
		"a signature and more":          {r.Public, func(p *Proof) { p.Key.Signature = append(slices.Clone(p.Key.Signature), 0) }},
		"a key and more":                {r.Public, func(p *Proof) { p.Key.Public = append(slices.Clone(p.Key.Public), 0) }},
		"an endorsement that is none":   {r.Public, func(p *Proof) { p.Endorsement = []byte("key") }},
		"a certificate without a key":   {r.Public, func(p *Proof) { p.Endorsement, p.Certificate = nil, []byte("certificate") }},
		"a certificate that is none":    {r.Public, func(p *Proof) { p.Certificate = []byte("certificate") }},
	} {
		p := r.TPM.Proof
		test.change(&p)
		if _, err := p.Verify(test.key); err == nil {
			t.Errorf("%s: the proof holds", name)
		}
	}
}

// A TPM whose owner withholds the endorsement key makes good keys, which nobody
// can be challenged about.
func TestProofWithoutEndorsement(t *testing.T) {
	t.Parallel()
	r := recorded(t)
	p := r.TPM.Proof
	p.Endorsement, p.Certificate = nil, nil
	verified, err := p.Verify(r.Public)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := verified.Challenge(rand.Reader); err == nil {
		t.Error("a challenge is sealed to nobody")
	}
}

func FuzzVerifyProof(f *testing.F) {
	r := recorded(f)
	seed, err := json.Marshal(r.TPM.Proof)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		var p Proof
		if json.Unmarshal(data, &p) != nil {
			return
		}
		if verified, err := p.Verify(r.Public); err == nil && verified.endorsement != nil {
			if _, _, err := verified.Challenge(rand.Reader); err != nil {
				t.Errorf("a proof that holds cannot be challenged: %v", err)
			}
		}
	})
}

// Mutated JSON seldom reaches the TPM's own structures, so each part is fuzzed too.
func FuzzVerifyProofPart(f *testing.F) {
	r := recorded(f)
	parts := func(p *Proof) []*[]byte {
		return []*[]byte{
			&p.Endorsement, &p.Certificate, &p.Attestation.Public, &p.Attestation.Statement, &p.Attestation.Signature,
			&p.Creation, &p.Key.Public, &p.Key.Statement, &p.Key.Signature,
		}
	}
	for i, part := range parts(&r.TPM.Proof) {
		f.Add(uint8(i), *part)
	}
	f.Fuzz(func(t *testing.T, number uint8, data []byte) {
		p := r.TPM.Proof
		all := parts(&p)
		part := all[int(number)%len(all)]
		signed := int(number)%len(all) >= 2
		same := slices.Equal(*part, data)
		*part = data
		if _, err := p.Verify(r.Public); err == nil && signed && !same {
			t.Errorf("part %d was altered, and the proof holds", int(number)%len(all))
		}
	})
}

func FuzzParse(f *testing.F) {
	var file record
	if err := file.inFile(rand.Reader); err != nil {
		f.Fatal(err)
	}
	file.Version = 1
	for _, r := range []record{file, recorded(f)} {
		data, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := parse(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(key.record)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse(again); err != nil {
			t.Errorf("what was read is not read again: %v", err)
		}
	})
}
