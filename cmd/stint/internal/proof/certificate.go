package proof

import (
	"maps"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"stint/server/evidence"
)

// checkCertificates holds the certificates of the file against the ledger.
func checkCertificates(found *Finding, texts []string) error {
	for _, text := range texts {
		key, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(text))
		certificate, ok := key.(*ssh.Certificate)
		if err != nil || !ok || len(rest) > 0 {
			return failed("certificate", "a certificate in the file cannot be read")
		}
		if err := found.certificate(certificate); err != nil {
			return err
		}
	}
	return nil
}

// certificate finds the issue of a certificate, and checks that it says the same
// and that a key of the signer's signed it.
func (f *Finding) certificate(c *ssh.Certificate) error {
	i := slices.IndexFunc(f.Issues, func(issue Issue) bool { return issue.Serial == c.Serial })
	switch {
	case i < 0:
		return failed("certificate", "the file holds the certificate %d, and no entry of it issued that", c.Serial)
	case !f.Whole:
		return nil // whose keys the signer's were is not known, and nothing is said of it
	}
	issue := &f.Issues[i]
	// 1. It says what the ledger says, and counted when that was written.
	written := uint64(issue.Time.Unix())
	same := c.CertType == ssh.UserCert && c.KeyId == issue.Request.Request && slices.Equal(c.ValidPrincipals, []string{issue.Principal}) &&
		c.ValidBefore == uint64(issue.Ends.Unix()) && c.ValidAfter <= written && written < c.ValidBefore && line(c.Key) == issue.entry.SessionKey &&
		maps.Equal(c.CriticalOptions, evidence.UserCriticalOptions(issue.entry.Networks))
	if !same {
		return atEntry(issue.Index, failed("certificate", "the certificate says something else"))
	}
	// 2. A key signed it that was the signer's at that time.
	authority := line(c.SignatureKey)
	if !slices.Contains(issue.authorities, authority) {
		return atEntry(issue.Index, failed("certificate-authority", "the certificate is signed by a key that was not the signer's then"))
	}
	if err := evidence.VerifyCertificateSignature(c); err != nil {
		return atEntry(issue.Index, failed("certificate-signature", "the certificate does not hold: %v", err))
	}
	issue.Authority = authority
	return nil
}

// line is a key in authorized_keys form.
func line(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}
