package monitor

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// FuzzSignedBy: whoever is named as the authority of a certificate has signed it.
func FuzzSignedBy(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		authority, err := signedBy(text)
		if err != nil {
			return
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(authority))
		if err != nil || strings.Count(authority, "\n") != 1 {
			t.Fatalf("%q is signed by %q: %v", text, authority, err)
		}
		parsed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		certificate := parsed.(*ssh.Certificate)
		checker := ssh.CertChecker{
			SupportedCriticalOptions: slices.Collect(maps.Keys(certificate.CriticalOptions)),
			IsUserAuthority:          func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), key.Marshal()) },
			Clock:                    func() time.Time { return time.Unix(int64(certificate.ValidAfter), 0) },
		}
		altered := *certificate
		altered.Serial++
		for _, principal := range certificate.ValidPrincipals {
			if err := checker.CheckCert(principal, certificate); err != nil {
				t.Fatalf("%q is not signed by %q: %v", text, authority, err)
			}
			if checker.CheckCert(principal, &altered) == nil {
				t.Fatalf("%q holds with another serial", text)
			}
		}
	})
}
