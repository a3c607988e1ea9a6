//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDeviceInTPM: a role demands a key in a TPM of a maker that the policy lists. A
// key in a file is not enough, nor one in a TPM that nobody certified; one in a TPM
// of the maker's is, and an auditor finds the proof in the ledger.
func TestDeviceInTPM(t *testing.T) {
	t.Parallel()
	s := beginStory(t)
	s.looking = true
	administrator := s.openTerminal()
	administrator.signIn("dana")
	certified, roots := makeTPM(t)
	makers := "tpmMakers:\n  - name: Acme\n    roots:\n"
	for _, root := range roots {
		makers += "      - |\n        " + strings.ReplaceAll(strings.TrimSpace(root), "\n", "\n        ") + "\n"
	}
	page := s.proposePolicy(administrator, "aliases: []\n", "aliases: []\n"+makers, "Acme makes our machines")
	s.signChange(s.dana, page, "In force")
	page = s.proposePolicy(administrator, "longest: 4h\nreason: required\n", "longest: 4h\nreason: required\ndevice: {required: true, held: tpm}\n", "No key may be copied")
	s.signChange(s.dana, page, "In force")
	request := s.grant("web-1", "30m")

	// 1. A key in a file, and one in a TPM of nobody's.
	enrol := func(want string, arguments ...string) {
		t.Helper()
		if out := s.alice.must("stint", append([]string{"device", "enroll", "--replace"}, arguments...)...); !strings.Contains(out, want) {
			t.Errorf("enrolling does not say %q:\n%s", want, out)
		}
	}
	enrol("Enrolled as In a file", "--file", "--name", "In a file")
	s.alice.refused([]string{"this machine's is in a file"}, "stint", "ssh", "web-1", "true")
	enrol("in a TPM of no known maker", "--tpm", startTPM(t), "--name", "In software")
	s.alice.refused([]string{"none had certified this machine's when it was enrolled"}, "stint", "ssh", "web-1", "true")

	// 2. One in a TPM of the maker's.
	enrol("in a TPM of Acme", "--tpm", startTPMWith(t, certified), "--name", "In a TPM")
	s.alice.exits(0, "hello\n", "", "stint", "ssh", "web-1", "echo hello")
	for _, want := range []string{"a file", "a TPM of no known maker", "a TPM of Acme"} {
		if out := s.alice.must("stint", "device", "list"); !strings.Contains(out, want) {
			t.Errorf("the list does not say %q:\n%s", want, out)
		}
	}
	s.dana.open(s.Portal + "/devices?everybody=true")
	s.dana.see(`role=article[name="In a TPM"] >> text=its key is in its TPM, certified by Acme`)
	s.dana.see(`role=article[name="In software"] >> text=its key is in a TPM that no maker in the policy certified`)
	s.dana.see(`role=article[name="In a file"] >> text=its key is in a file`)
	s.accessible(s.dana)
	s.look(s.dana, "devices-tpm")

	// 3. An auditor checks it all again.
	administrator.must("stint", "trust", "export")
	out := s.verifyFile(administrator, request.ID)
	for _, want := range []string{"its key in a file", "its key in a TPM that no maker in the policy certified", "its key in a TPM whose certificate leads to the root sha256:"} {
		if !strings.Contains(out, want) {
			t.Errorf("verifying does not say %q:\n%s", want, out)
		}
	}
}

// makeTPM makes the state of a TPM in software that a maker certified, and gives the
// certificates of the maker's root and of the authority under it, in PEM.
func makeTPM(t *testing.T) (state string, roots []string) {
	t.Helper()
	dir := t.TempDir()
	state = filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tool, err := exec.LookPath("swtpm_localca")
	if err != nil {
		t.Fatalf("the Debian package swtpm-tools is not installed: %v", err)
	}
	authority := write("authority.conf", fmt.Sprintf("statedir = %[1]s\nsigningkey = %[1]s/key.pem\nissuercert = %[1]s/issuer.pem\ncertserial = %[1]s/serial\n", dir))
	model := write("model.options", "--platform-manufacturer Acme\n--platform-version 1\n--platform-model laptop\n")
	config := write("setup.conf", fmt.Sprintf("create_certs_tool = %s\ncreate_certs_tool_config = %s\ncreate_certs_tool_options = %s\n", tool, authority, model))
	setup := exec.Command("swtpm_setup", "--tpm2", "--tpmstate", state, "--create-ek-cert", "--config", config, "--runas", fmt.Sprint(os.Getuid()))
	if out, err := setup.CombinedOutput(); err != nil {
		t.Fatalf("swtpm_setup: %v\n%s", err, out)
	}
	for _, name := range []string{"swtpm-localca-rootca-cert.pem", "issuer.pem"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		roots = append(roots, string(text))
	}
	return state, roots
}
