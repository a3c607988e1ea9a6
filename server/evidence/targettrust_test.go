package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"stint/server/evidence"
	"stint/server/ledger"
)

// trustLog is a log key from a fixed seed, so that the vector stays signed.
func trustLog(t testing.TB) (note.Signer, string) {
	t.Helper()
	secret, verifier, err := ledger.NewKey(bytes.NewReader(bytes.Repeat([]byte("s"), 32)), "stint-signer/k3f9x2mq/0a1b2c3d")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

func trustKey(seed byte) (string, ed25519.PrivateKey) {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	return evidence.FormatKey(private.Public().(ed25519.PublicKey)), private
}

func targetTrust() evidence.TargetTrust {
	a, _ := trustKey(1)
	b, _ := trustKey(2)
	c, _ := trustKey(3)
	d, _ := trustKey(4)
	return evidence.TargetTrust{
		Checkpoint: ledger.Checkpoint{Origin: "stint-signer/k3f9x2mq/0a1b2c3d", Size: 12, Root: ledger.LeafHash([]byte("root"))},
		Issued:     time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
		Keys:       []evidence.TargetKey{{State: "retired", Key: a}, {State: "next", Key: c}, {State: "current", Key: b}},
		Withdrawn:  []string{d},
	}
}

func TestTargetTrust(t *testing.T) {
	t.Parallel()
	signer, verifier := trustLog(t)
	text, err := evidence.SignTargetTrust(targetTrust(), signer)
	if err != nil {
		t.Fatal(err)
	}
	vector, err := os.ReadFile("testdata/target-trust.txt")
	if err != nil || string(vector) != text {
		t.Errorf("the vector differs (%v):\n%s", err, text)
	}
	got, err := evidence.OpenTargetTrust(text, verifier)
	if err != nil {
		t.Fatal(err)
	}
	want := targetTrust()
	if got.Checkpoint != want.Checkpoint || !got.Issued.Equal(want.Issued) || !slices.Equal(got.Withdrawn, want.Withdrawn) ||
		!slices.Equal(got.Keys, []evidence.TargetKey{want.Keys[2], want.Keys[1], want.Keys[0]}) {
		t.Errorf("%+v", got)
	}
	for at := range text {
		if _, err := evidence.OpenTargetTrust(text[:at]+string([]byte{text[at] ^ 1})+text[at+1:], verifier); err == nil {
			t.Fatalf("byte %d may be another", at)
		}
	}
	if _, err := evidence.OpenTargetTrust(text, "nothing"); err == nil {
		t.Error("opened with no key")
	}
}

func TestTargetTrustRefusesToState(t *testing.T) {
	t.Parallel()
	signer, _ := trustLog(t)
	for name, change := range map[string]func(*evidence.TargetTrust){
		"no current key":         func(d *evidence.TargetTrust) { d.Keys = d.Keys[:2] },
		"two current keys":       func(d *evidence.TargetTrust) { d.Keys[0].State = "current" },
		"no key":                 func(d *evidence.TargetTrust) { d.Keys = nil },
		"another state":          func(d *evidence.TargetTrust) { d.Keys[0].State = "withdrawn" },
		"a key twice":            func(d *evidence.TargetTrust) { d.Keys[0].Key = d.Keys[1].Key },
		"accepted and withdrawn": func(d *evidence.TargetTrust) { d.Withdrawn[0] = d.Keys[1].Key },
		"a key with a comment":   func(d *evidence.TargetTrust) { d.Keys[0].Key += " x" },
		"two lines":              func(d *evidence.TargetTrust) { d.Keys[0].Key += "\ntarget-ca next x" },
		"no time":                func(d *evidence.TargetTrust) { d.Issued = time.Time{} },
		"parts of a second":      func(d *evidence.TargetTrust) { d.Issued = d.Issued.Add(1) },
		"too many withdrawn": func(d *evidence.TargetTrust) {
			for seed := range byte(200) {
				key, _ := trustKey(seed + 10)
				d.Withdrawn = append(d.Withdrawn, key)
			}
		},
	} {
		d := targetTrust()
		change(&d)
		if text, err := evidence.SignTargetTrust(d, signer); err == nil {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// Lines that the log's own key has signed and that are still refused.
func TestTargetTrustIsStrict(t *testing.T) {
	t.Parallel()
	signer, verifier := trustLog(t)
	d := targetTrust()
	first, _ := trustKey(1)
	good := []string{"stint target-trust 1", "issued 2026-03-04T05:06:07Z", "target-ca current " + first}
	for name, lines := range map[string][]string{
		"another kind":       {"stint something 1", good[1], good[2]},
		"another version":    {"stint target-trust 2", good[1], good[2]},
		"no time":            {good[0], good[2]},
		"a time elsewhere":   {good[0], good[2], good[1]},
		"a time with a zone": {good[0], "issued 2026-03-04T05:06:07+00:00", good[2]},
		"only a header":      {good[0]},
		"no keys":            good[:2],
		"another line":       {good[0], good[1], good[2], "more"},
		"two spaces":         {good[0], good[1], "target-ca  current " + first},
		"no state":           {good[0], good[1], "target-ca " + first},
		"a trailing space":   {good[0], good[1], good[2] + " "},
	} {
		text, err := ledger.SignLines(d.Checkpoint, lines, signer)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := evidence.OpenTargetTrust(string(text), verifier); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// The order of lines is one, so that one state of things has one text.
	text, err := evidence.SignTargetTrust(d, signer)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(text, "\n")[3:9]
	for i := range lines {
		if i == 0 {
			continue
		}
		swapped := slices.Clone(lines)
		swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
		text, err := ledger.SignLines(d.Checkpoint, swapped, signer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := evidence.OpenTargetTrust(string(text), verifier); err == nil {
			t.Errorf("lines %d and %d in each other's place", i-1, i)
		}
	}
}

func TestFollowSuccessions(t *testing.T) {
	t.Parallel()
	succession := func(purpose string, from, to byte) evidence.SignedByKey {
		t.Helper()
		predecessor, private := trustKey(from)
		key, _ := trustKey(to)
		text, err := evidence.Encode(&evidence.Succession{
			Instance: "k3f9x2mq", Purpose: purpose, Key: key, Predecessor: predecessor,
			Issued: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Nonce: strings.Repeat("0", 32),
		})
		if err != nil {
			t.Fatal(err)
		}
		return evidence.SignWithKey(text, private)
	}
	ca := evidence.PurposeTargetCA
	one, _ := trustKey(1)
	follow := func(successions ...evidence.SignedByKey) (string, error) {
		reached, err := evidence.FollowSuccessions(ca, []string{one}, successions)
		var seeds []byte
		for seed := byte(1); seed < 10; seed++ {
			if key, _ := trustKey(seed); slices.Contains(reached, key) {
				seeds = append(seeds, '0'+seed)
			}
		}
		return string(seeds), err
	}
	for name, c := range map[string]struct {
		given []evidence.SignedByKey
		want  string
	}{
		"none":            {nil, "1"},
		"a chain":         {[]evidence.SignedByKey{succession(ca, 1, 2), succession(ca, 2, 3), succession(ca, 3, 4)}, "1234"},
		"backwards":       {[]evidence.SignedByKey{succession(ca, 3, 4), succession(ca, 2, 3), succession(ca, 1, 2)}, "1234"},
		"a gap":           {[]evidence.SignedByKey{succession(ca, 1, 2), succession(ca, 3, 4)}, "12"},
		"another chain":   {[]evidence.SignedByKey{succession(ca, 5, 6), succession(ca, 6, 5)}, "1"},
		"the other way":   {[]evidence.SignedByKey{succession(ca, 2, 1)}, "1"},
		"two from one":    {[]evidence.SignedByKey{succession(ca, 1, 2), succession(ca, 1, 3)}, "123"},
		"round and round": {[]evidence.SignedByKey{succession(ca, 1, 2), succession(ca, 2, 1), succession(ca, 2, 2)}, "12"},
	} {
		if got, err := follow(c.given...); err != nil || got != c.want {
			t.Errorf("%s: %s %v, want %s", name, got, err, c.want)
		}
	}
	good := succession(ca, 1, 2)
	for name, bad := range map[string]evidence.SignedByKey{
		"another purpose":     succession(evidence.PurposeUserCA, 1, 2),
		"another's signature": {Statement: good.Statement, Signature: succession(ca, 2, 3).Signature},
		"no signature":        {Statement: good.Statement},
		"no statement":        {Statement: "x", Signature: good.Signature},
		"an edited one":       {Statement: strings.Replace(good.Statement, "k3f9x2mq", "k3f9x2mr", 1), Signature: good.Signature},
	} {
		if got, err := follow(bad); err == nil {
			t.Errorf("%s: %s", name, got)
		}
	}
	if _, err := follow(make([]evidence.SignedByKey, 5000)...); err == nil {
		t.Error("thousands were read")
	}
}

func FuzzTargetTrust(f *testing.F) {
	signer, verifier := trustLog(f)
	d := targetTrust()
	f.Fuzz(func(t *testing.T, lines string) {
		text, err := ledger.SignLines(d.Checkpoint, strings.Split(lines, "\n"), signer)
		if err != nil {
			return
		}
		got, err := evidence.OpenTargetTrust(string(text), verifier)
		if err != nil {
			return
		}
		if again, err := evidence.SignTargetTrust(got, signer); err != nil || again != string(text) {
			t.Fatalf("%q was accepted and is written %q (%v)", text, again, err)
		}
	})
}
