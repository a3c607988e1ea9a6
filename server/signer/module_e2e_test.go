//go:build e2e && pkcs11

package signer

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stint/server/evidence"
)

// TestKeysInAToken: a signer whose keys are in an HSM signs, rotates and starts
// again, and OpenSSH reads what it signed.
func TestKeysInAToken(t *testing.T) {
	directory := t.TempDir()
	tokens, conf, pin := filepath.Join(directory, "tokens"), filepath.Join(directory, "softhsm2.conf"), filepath.Join(directory, "pin")
	must(t, os.Mkdir(tokens, 0o700))
	write(t, conf, "directories.tokendir = "+tokens+"\n")
	write(t, pin, "1234\n")
	t.Setenv("SOFTHSM2_CONF", conf)
	if output, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", "stint", "--pin", "1234", "--so-pin", "5678").CombinedOutput(); err != nil {
		t.Fatalf("softhsm2-util: %v: %s", err, output)
	}
	libraries, err := filepath.Glob("/usr/lib/*/softhsm/libsofthsm2.so")
	if err != nil || len(libraries) == 0 {
		libraries = []string{"/usr/lib/softhsm/libsofthsm2.so"}
	}
	w := newWorld(t)
	w.config.Keys.PKCS11 = &PKCS11Config{Module: libraries[0], Token: "stint", PINFile: pin}
	w.open()
	t.Cleanup(w.shut)
	w.staff()
	ask := w.bundle("r1", newKey(t))
	first := w.mustSign(ask)
	_, err = w.rotateNow(evidence.PurposeUserCA)
	must(t, err)
	w.shut()
	w.open()
	second := w.mustSign(ask)
	if a, b := signedBy(parse(t, first.Certificate)), signedBy(parse(t, second.Certificate)); a == b || !strings.HasPrefix(a, "ecdsa-sha2-nistp256 ") {
		t.Errorf("signed by %s, then %s", a, b)
	}
	path := filepath.Join(directory, "certificate.pub")
	write(t, path, second.Certificate+"\n")
	if output, err := exec.Command("ssh-keygen", "-L", "-f", path).CombinedOutput(); err != nil || !strings.Contains(string(output), "ECDSA") {
		t.Errorf("ssh-keygen: %v: %s", err, output)
	}
	w.replay()
}
