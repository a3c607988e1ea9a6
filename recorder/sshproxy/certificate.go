package sshproxy

import (
	"bytes"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/server/evidence"
)

// pass is what a user certificate says, once it has been checked. Nothing else
// of the certificate counts.
type pass struct {
	Request string
	Serial  uint64
	// SessionKey is the key that was certified, in authorized_keys form.
	SessionKey string
	Login      string
	Target     string
	Ends       time.Time
}

// principal is login@target.
func (p pass) principal() string { return p.Login + "@" + p.Target }

// refusedCertificate says why a certificate does not count.
type refusedCertificate struct {
	check string // stable, for the log
	why   string // a sentence for the person who showed it
	// ours is true when one of our authorities did sign it: its holder is told
	// what is wrong. To a stranger only that it is not ours.
	ours bool
}

func (r *refusedCertificate) Error() string { return r.check + ": " + r.why }

// checkCertificate decides whether a key that a client showed is a user
// certificate that counts now. It fails closed: what it does not understand, it
// refuses. client is where it was shown from. It does not decide whether the client
// holds the private key; the SSH handshake does.
func checkCertificate(key ssh.PublicKey, authorities []ssh.PublicKey, client net.Addr, now time.Time) (pass, error) {
	refuse := func(check, format string, args ...any) (pass, error) {
		return pass{}, &refusedCertificate{check: check, why: fmt.Sprintf(format, args...)}
	}

	// 1. It is a certificate, for a user, over a plain key.
	certificate, ok := key.(*ssh.Certificate)
	if !ok {
		return refuse("not-a-certificate", "this proxy accepts certificates only; get one with stint ssh")
	}
	if certificate.CertType != ssh.UserCert {
		return refuse("type", "this is not a certificate for a user")
	}
	if _, nested := certificate.Key.(*ssh.Certificate); nested || certificate.Key == nil {
		return refuse("nested", "this is a certificate of a certificate")
	}

	// 2. One of our authorities signed it, by a plain key of its own.
	if certificate.SignatureKey == nil || certificate.Signature == nil {
		return refuse("unsigned", "nobody signed this certificate")
	}
	if _, nested := certificate.SignatureKey.(*ssh.Certificate); nested {
		return refuse("nested", "a certificate signed this certificate")
	}
	signer := certificate.SignatureKey.Marshal()
	if !slices.ContainsFunc(authorities, func(a ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), signer) }) {
		return refuse("authority", "this certificate is not from this installation of stint")
	}
	if err := evidence.VerifyCertificateSignature(certificate); err != nil {
		return refuse("signature", "the signature of this certificate is wrong")
	}

	// From here on it is ours, and its holder is told what is wrong.
	refuse = func(check, format string, args ...any) (pass, error) {
		return pass{}, &refusedCertificate{check: check, why: fmt.Sprintf(format, args...), ours: true}
	}

	// 3. It names exactly one principal, login@target. No principal would mean
	// everybody to x/crypto, and two would open what nobody approved together.
	if len(certificate.ValidPrincipals) != 1 {
		return refuse("principals", "this certificate names %d principals instead of one", len(certificate.ValidPrincipals))
	}
	// OpenSSH and others take some characters for patterns.
	login, target, ok := splitPrincipal(certificate.ValidPrincipals[0])
	if !ok || strings.ContainsAny(certificate.ValidPrincipals[0], "*?!,") {
		return refuse("principals", "the principal of this certificate is not of the form login@target")
	}

	// 4. It asks for nothing that is not understood here, and is shown from where it may be.
	for option, value := range certificate.CriticalOptions {
		if option != evidence.SourceAddress {
			return refuse("critical-option", "this certificate carries a condition that this proxy does not know")
		}
		networks, err := readNetworks(strings.Split(value, ","))
		if err != nil {
			return refuse("critical-option", "this certificate is for networks that this proxy does not understand")
		}
		if why := refusesFrom(networks, client); why != "" {
			return refuse("network", "%s", why)
		}
	}

	// 5. Its key id is the id of the request that it was issued for.
	if evidence.CheckRequest(certificate.KeyId) != nil {
		return refuse("key-id", "the key id of this certificate is not the id of a request")
	}

	// 6. It is valid now, and not for ever. (Times are unsigned in the
	// certificate; what does not fit a signed one is no time of ours.)
	if certificate.ValidAfter > math.MaxInt64 || certificate.ValidBefore > math.MaxInt64 {
		return refuse("validity", "this certificate has no end")
	}
	begins, ends := time.Unix(int64(certificate.ValidAfter), 0), time.Unix(int64(certificate.ValidBefore), 0)
	if now.Before(begins) {
		return refuse("validity", "this certificate is not valid before %s", clock(begins))
	}
	if !now.Before(ends) {
		return refuse("validity", "the grant %s ended at %s; ask again with stint request", certificate.KeyId, clock(ends))
	}
	return pass{
		Request: certificate.KeyId, Serial: certificate.Serial, Login: login, Target: target, Ends: ends,
		SessionKey: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(certificate.Key))),
	}, nil
}

// splitPrincipal splits login@target at the last @, so that a login may hold one.
func splitPrincipal(principal string) (login, target string, ok bool) {
	at := strings.LastIndexByte(principal, '@')
	if at <= 0 || at == len(principal)-1 {
		return "", "", false
	}
	return principal[:at], principal[at+1:], true
}

// clock is how a time is told to a person.
func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }
