package policies

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"regexp"
	"strings"
)

// Bounds of what a policy may say of authenticators.
const (
	mostAuthenticators = 64
	mostRoots          = 16
)

// checkAttestation checks what is said of authenticators, and writes each AAGUID in
// its one form.
func (l *loader) checkAttestation(d definition) {
	a := d.organization.Attestation
	for i, group := range a.Groups {
		l.is(d, field("attestation", "groups", i), CheckGroup(group))
	}
	l.distinct(d, field("attestation", "groups"), a.Groups)
	if len(a.Groups) > 0 && len(a.Authenticators) == 0 {
		l.at(d, field("attestation"), "Attestation without any authenticator would let nobody enrol for these groups; list some.")
	}
	if len(a.Authenticators) > mostAuthenticators {
		l.at(d, field("attestation", "authenticators"), "There are at most %d authenticators.", mostAuthenticators)
	}
	var ids []string
	for i := range a.Authenticators {
		one := &a.Authenticators[i]
		id, ok := plainAAGUID(one.AAGUID)
		if !ok {
			l.at(d, field("attestation", "authenticators", i, "aaguid"), "%.60q is not an AAGUID: write a UUID, or its 32 hex digits, not all zero.", one.AAGUID)
		}
		one.AAGUID = id
		ids = append(ids, id)
		if strings.TrimSpace(one.Name) == "" {
			l.at(d, field("attestation", "authenticators", i, "name"), "An authenticator has a name, for people.")
		}
		l.is(d, field("attestation", "authenticators", i, "name"), CheckText(one.Name, MostName))
		if len(one.Roots) == 0 || len(one.Roots) > mostRoots {
			l.at(d, field("attestation", "authenticators", i, "roots"), "An authenticator has 1 to %d root certificates.", mostRoots)
		}
		for k, text := range one.Roots {
			_, err := parseRoot(text)
			l.is(d, field("attestation", "authenticators", i, "roots", k), err)
		}
	}
	l.distinct(d, field("attestation", "authenticators"), ids)
}

var (
	aaguidUUID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	aaguidHex  = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// plainAAGUID gives the 32 small hex digits. All zero stands for "not told" and
// names no make.
func plainAAGUID(text string) (string, bool) {
	id := strings.ToLower(text)
	if aaguidUUID.MatchString(id) {
		id = strings.ReplaceAll(id, "-", "")
	}
	return id, aaguidHex.MatchString(id) && strings.Trim(id, "0") != ""
}

// parseRoot reads one certificate in PEM.
func parseRoot(text string) (*x509.Certificate, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("a root is one certificate in PEM, from BEGIN CERTIFICATE to END CERTIFICATE")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errors.New("the root certificate cannot be read")
	}
	return certificate, nil
}

// Certificates are the roots, read.
func (a Authenticator) Certificates() ([]*x509.Certificate, error) {
	var roots []*x509.Certificate
	for _, text := range a.Roots {
		root, err := parseRoot(text)
		if err != nil {
			return nil, err
		}
		roots = append(roots, root)
	}
	return roots, nil
}
