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

const p256Key = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGsX0fLhLEJH+Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT+NC4v4af5uO5+tKfA+eFivOM1drMV7Oy7ZAaDe/UfU="

// testRoot is a root certificate in PEM.
func testRoot(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "A root"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// attestationYAML demands an authenticator for administrators.
func attestationYAML(aaguid, root string) string {
	return "attestation:\n  groups: [administrators]\n  authenticators:\n    - aaguid: " + aaguid + "\n      name: A key\n      roots:\n        - |\n          " +
		strings.ReplaceAll(strings.TrimSpace(root), "\n", "\n          ") + "\n"
}

const inventoriesYAML = `inventories:
  - name: fleet
    key: ` + p256Key + `
    labels: {env: [staging, dev], tier: [web]}
`

func TestOrganizationIsRead(t *testing.T) {
	t.Parallel()
	root := testRoot(t)
	b := mustLoad(t, "kind: Organization\nquorum: 3\n"+attestationYAML("EE882879-721C-4913-9775-3DFCCE97072A", root)+inventoriesYAML)
	o := b.Organization()
	if b.Quorum() != 3 || len(o.Attestation.Authenticators) != 1 || o.Attestation.Authenticators[0].AAGUID != "ee882879721c491397753dfcce97072a" {
		t.Errorf("it came back as %+v", o)
	}
	if roots, err := o.Attestation.Authenticators[0].Certificates(); err != nil || len(roots) != 1 || roots[0].Subject.CommonName != "A root" {
		t.Errorf("the roots are %v, %v", roots, err)
	}
	if !b.NeedsAttestation([]string{"a", "administrators"}) || b.NeedsAttestation([]string{"a"}) || b.NeedsAttestation(nil) {
		t.Error("attestation is demanded for others")
	}
	if i, ok := b.Inventory("fleet"); !ok || i.Key != p256Key || !slices.Equal(i.Labels["env"], []string{"staging", "dev"}) {
		t.Errorf("the inventory is %+v", i)
	}
	if _, ok := b.Inventory("other"); ok {
		t.Error("an inventory that is not there was found")
	}
	for name, text := range map[string]string{"no Organization": goodTarget, "no quorum": goodOrganization} {
		if q := mustLoad(t, text).Quorum(); q != DefaultQuorum {
			t.Errorf("%s: the quorum is %d", name, q)
		}
	}
}

func TestOrganizationRefuses(t *testing.T) {
	t.Parallel()
	root := testRoot(t)
	const id = "ee882879721c491397753dfcce97072a"
	key := "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWfvVqSmNpNDXLLzF8Dx4M4K2rWRl5gHVBYhRr3rJdM"
	notKey := "f.yaml:4:10: %q is not a key that signs an inventory: write ssh-ed25519 or ecdsa-sha2-nistp256 and its base64, without a comment."
	quorum := "f.yaml:2:9: `quorum` is how many administrators must sign a change, from 1 to 16."
	for name, c := range map[string]struct{ text, want string }{
		"a quorum of none":              {"quorum: 0\n", quorum},
		"a negative quorum":             {"quorum: -1\n", quorum},
		"too large a quorum":            {"quorum: 17\n", quorum},
		"a broken quorum":               {"quorum: 1.5\n", "f.yaml:2:9: \"1.5\" does not fit here: a whole number is wanted."},
		"an empty quorum":               {"quorum:\n", "f.yaml:2:8: `quorum` is left empty: write a whole number, or leave it out."},
		"a quorum in another spelling":  {"quorum: 0x2\n", "f.yaml:2:9: \"0x2\" does not fit here: a whole number is wanted."},
		"a quorum in words":             {"quorum: two\n", "f.yaml:2:9: \"two\" does not fit here: a whole number is wanted."},
		"a group twice":                 {strings.Replace(attestationYAML(id, root), "[administrators]", "[a, a]", 1), "f.yaml:3:15: \"a\" stands twice."},
		"a group that is none":          {strings.Replace(attestationYAML(id, root), "[administrators]", "[\" \"]", 1), "f.yaml:3:12: \" \" is not the name of a group: it is empty or has a space at an end."},
		"groups, and no authenticator":  {"attestation: {groups: [a]}\n", "f.yaml:2:14: Attestation without any authenticator would let nobody enrol for these groups; list some."},
		"an AAGUID that is none":        {attestationYAML("yubikey", root), "f.yaml:5:15: \"yubikey\" is not an AAGUID: write a UUID, or its 32 hex digits, not all zero."},
		"an AAGUID of zeros":            {attestationYAML(strings.Repeat("0", 32), root), "f.yaml:5:15: \"00000000000000000000000000000000\" is not an AAGUID: write a UUID, or its 32 hex digits, not all zero."},
		"an AAGUID half spelt":          {attestationYAML("ee882879-721c49139775-3dfcce97072a", root), "f.yaml:5:15: \"ee882879-721c49139775-3dfcce97072a\" is not an AAGUID: write a UUID, or its 32 hex digits, not all zero."},
		"an authenticator without name": {strings.Replace(attestationYAML(id, root), "A key", "\"\"", 1), "f.yaml:6:13: An authenticator has a name, for people."},
		"an authenticator twice": {strings.Replace(attestationYAML(id, root), "  authenticators:\n", "  authenticators:\n    - {aaguid: ee882879-721c-4913-9775-3dfcce97072a, name: A, roots: []}\n", 1),
			"f.yaml:5:70: An authenticator has 1 to 16 root certificates."},
		"a root that is none":  {attestationYAML(id, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"), "f.yaml:8:11: The root certificate cannot be read."},
		"a root that is a key": {attestationYAML(id, strings.ReplaceAll(root, "CERTIFICATE", "PUBLIC KEY")), "f.yaml:8:11: A root is one certificate in PEM, from BEGIN CERTIFICATE to END CERTIFICATE."},
		"two roots in one":     {attestationYAML(id, root+root), "f.yaml:8:11: A root is one certificate in PEM, from BEGIN CERTIFICATE to END CERTIFICATE."},
		"an unknown field":     {"attestation: {group: [a]}\n", "f.yaml:2:15: There is no field \"group\" here. Did you mean `groups`?"},

		"an inventory without labels":        {"inventories: [{name: fleet, key: " + key + "}]\n", "f.yaml:2:15: An inventory lists the labels that its targets may bear; without any, no role could reach them."},
		"an inventory twice":                 {inventoriesYAML + strings.TrimPrefix(inventoriesYAML, "inventories:\n"), "f.yaml:6:5: \"fleet\" stands twice."},
		"an inventory's name":                {strings.Replace(inventoriesYAML, "fleet", "Fleet", 1), "f.yaml:3:11: \"Fleet\" is not a name: use 1 to 63 small letters, digits and hyphens, and do not begin with a hyphen."},
		"an inventory's key with a comment":  {strings.Replace(inventoriesYAML, p256Key, key+" me", 1), fmt.Sprintf(notKey, key[:40])},
		"an inventory's key of another kind": {strings.Replace(inventoriesYAML, p256Key, strings.Replace(key, "ssh-ed25519", "ssh-rsa", 1), 1), fmt.Sprintf(notKey, "ssh-rsa"+key[11:44])},
		"an inventory's key cut short":       {strings.Replace(inventoriesYAML, p256Key, p256Key[:len(p256Key)-4], 1), fmt.Sprintf(notKey, p256Key[:40])},
		"an inventory's key of another curve": {strings.Replace(inventoriesYAML, p256Key, strings.Replace(p256Key, "AAAAIbmlzdHAyNTY", "AAAAIbmlzdHAzODQ", 1), 1),
			fmt.Sprintf(notKey, p256Key[:40])},
		"a label without values":   {strings.Replace(inventoriesYAML, "[web]", "[]", 1), "f.yaml:5:41: A label has 1 to 256 values that are allowed."},
		"a value twice":            {strings.Replace(inventoriesYAML, "[web]", "[web, web]", 1), "f.yaml:5:47: \"web\" stands twice."},
		"a value that is none":     {strings.Replace(inventoriesYAML, "[web]", "[\"a b\"]", 1), "f.yaml:5:41: \"tier\": \"a b\" is not a label: use 1 to 63 letters (small ones in the key), digits, dots, underscores, slashes and hyphens."},
		"a key with capitals":      {strings.Replace(inventoriesYAML, "tier", "Tier", 1), "f.yaml:5:41: \"Tier\": \"web\" is not a label: use 1 to 63 letters (small ones in the key), digits, dots, underscores, slashes and hyphens."},
		"more inventories than 32": {"inventories:\n" + strings.Repeat("  - {name: a, key: "+key+", labels: {a: [b]}}\n", 33), "f.yaml:3:3: There are at most 32 inventories."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(map[string]string{"f.yaml": "kind: Organization\n" + c.text})
			if err == nil {
				t.Fatal("it was accepted")
			}
			if got := firstLine(err); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestInventoriesAdmitWhatIsListed(t *testing.T) {
	t.Parallel()
	i := Inventory{Name: "fleet", Labels: map[string][]string{"env": {"staging", "dev"}, "tier": {"web"}}}
	for name, c := range map[string]struct {
		labels map[string]string
		ok     bool
	}{
		"none":                {nil, true},
		"one":                 {map[string]string{"env": "dev"}, true},
		"all":                 {map[string]string{"env": "staging", "tier": "web"}, true},
		"another value":       {map[string]string{"env": "production"}, false},
		"another label":       {map[string]string{"env": "dev", "data": "keys"}, false},
		"a value of another":  {map[string]string{"env": "web"}, false},
		"a value in capitals": {map[string]string{"env": "DEV"}, false},
	} {
		if err := i.Admits(Target{Name: "a", Labels: c.labels}); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseTargets(t *testing.T) {
	t.Parallel()
	other := strings.Replace(goodTarget, "web-1", "a", 2)
	for name, c := range map[string]struct {
		text string
		want int // targets; -1: refused
	}{
		"none":                 {"", 0},
		"a comment":            {"# none yet\n", 0},
		"one":                  {goodTarget, 1},
		"two":                  {goodTarget + "---\n" + other, 2},
		"a role":               {goodOtherRole, -1},
		"a target and a role":  {goodTarget + "---\n" + goodOtherRole, -1},
		"an organization":      {goodOrganization, -1},
		"one twice":            {goodTarget + "---\n" + goodTarget, -1},
		"an unknown field":     {goodTarget + "owner: me\n", -1},
		"a host key of a kind": {strings.Replace(goodTarget, "ssh-ed25519 ", "ssh-dss ", 1), -1},
		"too long":             {"#" + strings.Repeat("a", mostFile), -1},
		"not YAML":             {"[", -1},
	} {
		targets, err := ParseTargets(c.text)
		if got := len(targets); err != nil && c.want >= 0 || err == nil && got != c.want {
			t.Errorf("%s: %d targets, %v", name, got, err)
		}
	}
}

func TestWithTargets(t *testing.T) {
	t.Parallel()
	b := mustLoad(t, goodRole, goodOtherRole, goodTarget)
	more := Target{Name: "a", Address: "localhost:22", HostKey: testHostKey, Labels: map[string]string{"env": "production"}}
	with, err := b.WithTargets(more)
	if err != nil {
		t.Fatal(err)
	}
	if with.Digest() != b.Digest() || len(with.TargetsOf("production-shell")) != 2 || len(b.Targets()) != 1 || with.Targets()[0].Name != "a" {
		t.Errorf("the targets are %+v", with.Targets())
	}
	if _, ok := with.Target("web-1"); !ok {
		t.Error("the policy's own target is gone")
	}
	if same, err := b.WithTargets(); err != nil || same != b {
		t.Errorf("none: %v", err)
	}
	for name, alter := range map[string]func(t *Target){
		"a name that is taken": func(t *Target) { t.Name = "web-1" },
		"no name":              func(t *Target) { t.Name = "" },
		"no address":           func(t *Target) { t.Address = "" },
		"no host key":          func(t *Target) { t.HostKey = "" },
		"no label":             func(t *Target) { t.Labels = map[string]string{"env": ""} },
	} {
		other := more
		alter(&other)
		if _, err := b.WithTargets(other); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := b.WithTargets(more, more); err == nil {
		t.Error("a target was accepted twice")
	}
}

// FuzzParseTargets: what is read could stand beside a policy.
func FuzzParseTargets(f *testing.F) {
	f.Add(goodTarget)
	f.Fuzz(func(t *testing.T, text string) {
		targets, err := ParseTargets(text)
		if err != nil {
			return
		}
		if _, err := (&Bundle{}).WithTargets(targets...); err != nil {
			t.Errorf("%q was read: %v", text, err)
		}
	})
}
