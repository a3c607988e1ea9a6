// Package certificates makes what the processes of a development installation
// know each other by: an authority of its own and a certificate for each
// process, for mutual TLS on loopback.
//
// The keys are made once and kept, because each process pins the others' keys;
// the certificates around them are renewed when they near their end.
package certificates

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"stint/cmd/stint-dev/internal/installation"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 365 * 24 * time.Hour
	renewBefore   = 60 * 24 * time.Hour
)

// Files are the PEM files of one process, in the form that all of them read.
type Files struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	Authority   string `json:"authority"`
}

// Identity is one process's certificate.
type Identity struct {
	Files Files
	// Pin is the hex SHA-256 of the key's SubjectPublicKeyInfo.
	Pin string

	pair tls.Certificate
}

// Set is the authority and the identity of each process.
type Set struct {
	Identities map[string]Identity

	pool *x509.CertPool
}

// Open reads the certificates in dir and makes or renews what is missing or near
// its end.
func Open(dir string, names []string, now time.Time) (*Set, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	authorityKey, err := openKey(filepath.Join(dir, "authority.key"))
	if err != nil {
		return nil, err
	}
	authority, err := openCertificate(filepath.Join(dir, "authority.crt"), now, authorityKey, authorityKey, nil, &x509.Certificate{
		Subject:  pkix.Name{CommonName: "stint-dev authority"},
		NotAfter: now.Add(authorityLife), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign,
	})
	if err != nil {
		return nil, err
	}
	set := &Set{Identities: map[string]Identity{}, pool: x509.NewCertPool()}
	set.pool.AddCert(authority)
	for _, name := range names {
		files := Files{
			Certificate: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key"), Authority: filepath.Join(dir, "authority.crt"),
		}
		key, err := openKey(files.Key)
		if err != nil {
			return nil, err
		}
		leaf, err := openCertificate(files.Certificate, now, key, authorityKey, authority, &x509.Certificate{
			Subject:  pkix.Name{CommonName: name},
			NotAfter: now.Add(leafLife),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
			DNSNames: []string{"localhost", name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		})
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
		set.Identities[name] = Identity{
			Files: files, Pin: hex.EncodeToString(sum[:]),
			pair: tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf},
		}
	}
	return set, nil
}

// Client is a TLS configuration that calls as one process and expects another,
// known by its pinned key.
func (s *Set) Client(as, expect string) (*tls.Config, error) {
	own, ok := s.Identities[as]
	other, known := s.Identities[expect]
	if !ok || !known {
		return nil, fmt.Errorf("there is no certificate for %s or %s", as, expect)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: s.pool, Certificates: []tls.Certificate{own.pair}, ServerName: "localhost",
		VerifyConnection: func(state tls.ConnectionState) error {
			sum := sha256.Sum256(state.PeerCertificates[0].RawSubjectPublicKeyInfo)
			if hex.EncodeToString(sum[:]) != other.Pin {
				return fmt.Errorf("who answers does not hold the key of %s", expect)
			}
			return nil
		},
	}, nil
}

func openKey(path string) (*ecdsa.PrivateKey, error) {
	block, err := readPEM(path, "PRIVATE KEY")
	if errors.Is(err, fs.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		return key, writePEM(path, "PRIVATE KEY", der)
	}
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a %T, not an ECDSA key", path, parsed)
	}
	return key, nil
}

// openCertificate reads the certificate of key, or has issuer sign the template:
// when there is none, when it nears its end, or when it is not for this key or
// of this issuer.
func openCertificate(path string, now time.Time, key, issuerKey *ecdsa.PrivateKey, issuer, template *x509.Certificate) (*x509.Certificate, error) {
	if issuer == nil {
		issuer = template // it signs itself
	}
	der, err := readPEM(path, "CERTIFICATE")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil {
		found, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		signer := issuer
		if issuer == template {
			signer = found
		}
		if key.PublicKey.Equal(found.PublicKey) && found.CheckSignatureFrom(signer) == nil && now.After(found.NotBefore) && now.Add(renewBefore).Before(found.NotAfter) {
			return found, nil
		}
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, err
	}
	template.NotBefore = now.Add(-time.Hour) // clocks of one machine agree, but may be set back a little
	if der, err = x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), issuerKey); err != nil {
		return nil, fmt.Errorf("making the certificate %s: %w", path, err)
	}
	if err := writePEM(path, "CERTIFICATE", der); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func readPEM(path, kind string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s holds no %s", path, kind)
	}
	return block.Bytes, nil
}

func writePEM(path, kind string, der []byte) error {
	return installation.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
