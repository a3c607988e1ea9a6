package evidence

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// UserCertificate is what an OpenSSH certificate for a person says of itself.
type UserCertificate struct {
	Serial     uint64
	Request    string // its key id
	Principal  string // login@target
	SessionKey string // authorized_keys form
	Ends       time.Time
	Authority  string // the key that is to have signed it, in the form of ParseAuthorityKey
}

// SourceAddress is the critical option of a certificate that names the networks from
// which it may be used (OpenSSH PROTOCOL.certkeys).
const SourceAddress = "source-address"

// UserCriticalOptions are the critical options of a person's certificate: the networks
// from which it may be used; none where it may be used from anywhere.
func UserCriticalOptions(networks []string) map[string]string {
	if len(networks) == 0 {
		return nil
	}
	return map[string]string{SourceAddress: strings.Join(networks, ",")}
}

// ReadUserCertificate reads a certificate in authorized_keys form, without a comment.
// It checks no signature: whoever believes what it says must have it from the signer.
func ReadUserCertificate(text string) (UserCertificate, error) {
	key, comment, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return UserCertificate{}, fmt.Errorf("the certificate cannot be read: %w", err)
	}
	c, ok := key.(*ssh.Certificate)
	if !ok || comment != "" || len(options) > 0 || len(rest) > 0 || c.CertType != ssh.UserCert || len(c.ValidPrincipals) != 1 || c.ValidBefore > math.MaxInt64 {
		return UserCertificate{}, errors.New("it is not a certificate for a person, with one principal and an end")
	}
	return UserCertificate{
		Serial: c.Serial, Request: c.KeyId, Principal: c.ValidPrincipals[0], SessionKey: authorizedKey(c.Key),
		Ends: time.Unix(int64(c.ValidBefore), 0).UTC(), Authority: authorizedKey(c.SignatureKey),
	}, nil
}

// VerifyCertificateSignature checks that a certificate is signed by the authority that it
// names, and nothing else: whose key that is, and when, where and for whom the certificate
// counts, its caller asks. One that is valid at no time is refused.
func VerifyCertificateSignature(c *ssh.Certificate) error {
	if c.SignatureKey == nil || c.Signature == nil {
		return errors.New("nobody signed the certificate")
	}
	if c.ValidAfter > math.MaxInt64 || c.ValidBefore <= c.ValidAfter {
		return errors.New("the certificate is never valid")
	}
	// x/crypto offers the check of the signature only together with others. Each of
	// those is made to pass here.
	checker := ssh.CertChecker{
		SupportedCriticalOptions: slices.Collect(maps.Keys(c.CriticalOptions)),
		Clock:                    func() time.Time { return time.Unix(int64(c.ValidAfter), 0) },
	}
	principal := ""
	if len(c.ValidPrincipals) > 0 {
		principal = c.ValidPrincipals[0]
	}
	return checker.CheckCert(principal, c)
}

func authorizedKey(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}
