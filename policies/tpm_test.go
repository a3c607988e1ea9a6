package policies

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

// testAuthority is the certificate of an authority, in PEM.
func testAuthority(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "A maker"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// makerYAML lists a maker of TPMs with its roots.
func makerYAML(name string, roots ...string) string {
	text := "  - name: " + name + "\n    roots:\n"
	for _, root := range roots {
		text += "      - |\n        " + strings.ReplaceAll(strings.TrimSpace(root), "\n", "\n        ") + "\n"
	}
	return text
}

func TestTPMMakers(t *testing.T) {
	t.Parallel()
	one, two, three := testAuthority(t), testAuthority(t), testAuthority(t)
	b := mustLoad(t, "kind: Organization\ntpmMakers:\n"+makerYAML("Acme", one, two)+makerYAML("Best", three))
	for name, c := range map[string]struct{ root, want string }{"first": {one, "Acme"}, "second": {two, "Acme"}, "another maker": {three, "Best"}, "none": {testAuthority(t), ""}} {
		root, err := parseRoot(c.root)
		if err != nil {
			t.Fatal(err)
		}
		if maker, ok := b.TPMMaker(RootDigest(root)); maker != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v", name, maker, ok)
		}
	}
	if _, ok := b.TPMMaker(""); ok {
		t.Error("no root is a maker's")
	}
	makers := b.Organization().TPMMakers
	if roots, err := makers[0].Certificates(); len(makers) != 2 || err != nil || len(roots) != 2 {
		t.Errorf("the makers are %+v, %v", makers, err)
	}
}

func TestTPMMakersRefused(t *testing.T) {
	t.Parallel()
	one := testAuthority(t)
	count := "f.yaml:4:12: A maker of TPMs has 1 to 16 root certificates."
	many := make([]string, 17)
	for i := range many {
		many[i] = one
	}
	for name, c := range map[string]struct{ text, want string }{
		"no name":             {makerYAML(`""`, one), "f.yaml:3:11: A maker of TPMs has a name, for people."},
		"a name too long":     {makerYAML(strings.Repeat("a", MostName+1), one), "f.yaml:3:11: The text has 201 characters; at most 200 fit."},
		"a name twice":        {makerYAML("Acme", one) + makerYAML("Acme", testAuthority(t)), ": \"Acme\" stands twice."},
		"no roots":            {"  - {name: Acme}\n", "f.yaml:3:5: A maker of TPMs has 1 to 16 root certificates."},
		"an empty list":       {"  - name: Acme\n    roots: []\n", count},
		"too many roots":      {makerYAML("Acme", many...), "f.yaml:5:7: A maker of TPMs has 1 to 16 root certificates."},
		"a root that is none": {makerYAML("Acme", "root"), "f.yaml:5:9: A root is one certificate in PEM, from BEGIN CERTIFICATE to END CERTIFICATE."},
		"a root twice":        {makerYAML("Acme", one, one), ": The certificate stands twice."},
		"a root of two":       {makerYAML("Acme", one) + makerYAML("Best", one), ": The certificate stands twice."},
		"no authority's":      {makerYAML("Acme", testRoot(t)), "f.yaml:5:9: The certificate is no authority's: it cannot certify TPMs."},
		"an unknown field":    {makerYAML("Acme", one) + "    model: x\n", ": There is no field \"model\" here. There are name and roots."},
		"too many makers": {func() (text string) {
			for i := range mostTPMMakers + 1 {
				text += fmt.Sprintf("  - {name: a%d}\n", i)
			}
			return text
		}(), "f.yaml:3:3: There are at most 64 makers of TPMs."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(map[string]string{"f.yaml": "kind: Organization\ntpmMakers:\n" + c.text})
			if err == nil {
				t.Fatal("it was accepted")
			}
			// How many lines a certificate takes differs by a little.
			if got := firstLine(err); !strings.HasSuffix(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestJudgeHeld(t *testing.T) {
	t.Parallel()
	text, other := testAuthority(t), testAuthority(t)
	role := strings.Replace(goodRole, "kind: Role", "kind: Organization\ntpmMakers:\n"+makerYAML("Acme", text)+"---\nkind: Role", 1) + "device: {required: true, held: tpm}\n"
	b := mustLoad(t, role, goodOtherRole)
	digest := func(text string) string { return "sha256:" + rootPrint(text) }
	for name, c := range map[string]struct {
		device Device
		want   string // what Objections says; empty: it complies
	}{
		"in a TPM of a listed maker": {Device{Held: HeldTPM, MakerRoot: digest(text)}, ""},
		"in a file":                  {Device{Held: HeldFile}, "production-shell is used with a key that is held in a TPM, and this machine's is in a file; make another with `stint device enroll --replace`."},
		"in a file, with a maker":    {Device{Held: HeldFile, MakerRoot: digest(text)}, "production-shell is used with a key that is held in a TPM, and this machine's is in a file; make another with `stint device enroll --replace`."},
		"nowhere":                    {Device{}, "production-shell is used with a key that is held in a TPM, and this machine's is in a file; make another with `stint device enroll --replace`."},
		"in a TPM of nobody":         {Device{Held: HeldTPM}, unknownMaker},
		"in a TPM of somebody else": {Device{Held: HeldTPM, MakerRoot: digest(other)},
			"production-shell is used with a key in a TPM of a maker that the policy lists, and this machine's is of one that it lists no longer; speak with an administrator."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.device.ID, c.device.Name = "device-1", "laptop"
			reasons := b.JudgeDevice("production-shell", &c.device, asked)
			if got := Objections(reasons); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if i := slices.IndexFunc(reasons, func(r Reason) bool { return r.Rule == "held" }); i < 0 || reasons[i].Met != (c.want == "") {
				t.Errorf("the reasons are %+v", reasons)
			}
		})
	}
	// No role without the rule reads where the key is.
	if got := b.JudgeDevice("key-management", &Device{Held: HeldFile}, asked); len(got) != 0 {
		t.Errorf("a role without a rule says %v", got)
	}
}

const unknownMaker = "production-shell is used with a key in a TPM of a maker that the policy lists, and none had certified this machine's when it was enrolled; " +
	"if one is listed by now that has, use `stint device enroll --replace`."

func TestHeldLoads(t *testing.T) {
	t.Parallel()
	makers := "kind: Organization\ntpmMakers:\n" + makerYAML("Acme", testAuthority(t)) + "---\n"
	for name, c := range map[string]struct{ makers, rule, want string }{
		"tpm":          {makers, "{required: true, held: tpm}", ""},
		"no rule":      {"", "{required: true}", ""},
		"file":         {makers, "{required: true, held: file}", "`held` is tpm, or is left out."},
		"empty":        {makers, "{required: true, held: }", "`held` is left empty: write text, or leave it out."},
		"capitals":     {makers, "{required: true, held: TPM}", "`held` is tpm, or is left out."},
		"not required": {makers, "{held: tpm}", "`device` says `required: true`, or is left out."},
		"no makers":    {"", "{required: true, held: tpm}", "No maker of TPMs is believed, so nobody could use this role; list some as `tpmMakers` of the Organization."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(map[string]string{"f.yaml": c.makers + goodRole + "device: " + c.rule + "\n"})
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.HasSuffix(firstLine(err), " "+c.want)):
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
	// The makers may stand in a later file than the role.
	if _, err := Parse(map[string]string{
		"a.yaml": goodRole + "device: {required: true, held: tpm}\n", "b.yaml": strings.TrimSuffix(makers, "---\n"),
	}); err != nil {
		t.Error(err)
	}
}

func TestTPMDifferenceInWords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		alter func(b *Bundle)
		want  []string
	}{
		"a maker less": {func(b *Bundle) { b.organization.TPMMakers = nil }, []string{"The maker of TPMs Acme is no longer believed."}},
		"a maker more": {func(b *Bundle) {
			b.organization.TPMMakers = append(b.organization.TPMMakers, TPMMaker{"Best", []string{"two"}})
		}, []string{"The maker of TPMs Best is believed.", "The maker of TPMs Best has the root certificate 3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3."}},
		"another root": {func(b *Bundle) { b.organization.TPMMakers[0].Roots = []string{"two"} }, []string{
			"The maker of TPMs Acme has the root certificate 3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3.",
			"The maker of TPMs Acme no longer has the root certificate 7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed."}},
		"a key in a file": {func(b *Bundle) { b.roles[0].Device.Held = "" }, []string{"shell: the machine's key may be held in a file."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, after := whole(), whole()
			c.alter(after)
			if got := Difference(before, after); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
	// Into force again.
	before := whole()
	before.roles[0].Device.Held = ""
	if got := Difference(before, whole()); !slices.Equal(got, []string{"shell: the machine's key is held in a TPM of a known maker."}) {
		t.Errorf("%q", got)
	}
}
