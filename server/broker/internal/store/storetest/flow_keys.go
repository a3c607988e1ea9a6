package storetest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence"
)

// certifier is what the house's signer has signed, with the key that signs.
type certifier struct {
	authority ssh.Signer
	serial    uint64
	signed    map[uint64]access.SignedCertificate
	again     map[uint64]uint64 // the serial that took the place of one
}

// Withdraw makes another key sign; nothing under the one before counts.
func (s *Signer) Withdraw(t testing.TB) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	wantError(t, nil, err)
	authority, err := ssh.NewSignerFromKey(key)
	wantError(t, nil, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.authority = authority
	s.trust.UserCA = []string{line(authority.PublicKey())}
}

func line(key ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) }

func (s *Signer) certify(request, principal, sessionKey string, ends time.Time) (access.SignedCertificate, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(sessionKey))
	if err != nil {
		return access.SignedCertificate{}, err
	}
	s.serial++
	serial := 1<<63 + s.serial
	c := &ssh.Certificate{
		Key: key, Serial: serial, CertType: ssh.UserCert, KeyId: request, ValidPrincipals: []string{principal}, ValidBefore: uint64(ends.Unix()),
	}
	if err := c.SignCert(rand.Reader, s.authority); err != nil {
		return access.SignedCertificate{}, err
	}
	signed := access.SignedCertificate{Certificate: line(c), Serial: serial, Ends: ends, Proof: evidence.Proof{Entry: "{}", Checkpoint: "checkpoint"}}
	if s.signed == nil {
		s.signed, s.again = map[uint64]access.SignedCertificate{}, map[uint64]uint64{}
	}
	s.signed[serial] = signed
	return signed, nil
}

// Reissue signs once more what another key had signed, and gives the same answer again.
func (s *Signer) Reissue(_ context.Context, serial uint64) (access.SignedCertificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return access.SignedCertificate{}, s.down
	}
	for s.again[serial] != 0 {
		serial = s.again[serial]
	}
	refused := func(why string) (access.SignedCertificate, error) {
		return access.SignedCertificate{}, &access.Error{Problem: access.SignerRefused, Code: access.CodeSignerRefused, Message: why}
	}
	signed, ok := s.signed[serial]
	if !ok {
		return refused("not issued")
	}
	c, err := evidence.ReadUserCertificate(signed.Certificate)
	if err != nil {
		return access.SignedCertificate{}, err
	}
	if _, ended := s.ended[c.Request]; ended {
		return refused("ended")
	}
	if c.Authority == line(s.authority.PublicKey()) {
		return signed, nil
	}
	again, err := s.certify(c.Request, c.Principal, c.SessionKey, signed.Ends)
	s.again[serial] = again.Serial
	if s.Before != nil {
		s.mu.Unlock()
		s.Before()
		s.mu.Lock()
	}
	return again, err
}

// RotateKeys makes another key sign.
func (s *Signer) RotateKeys(_ context.Context, purpose string, _ string, _ policies.Subject) error {
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	if down == nil && purpose != evidence.PurposeHostCA {
		s.Withdraw(s.t)
	}
	return down
}

func rotatingKeys(t *testing.T, h *House) {
	dana := h.World.Dana.Person
	wantCode(t, access.CodeForbidden, second(h.RotateKeys(t.Context(), h.World.Carol.Person, evidence.PurposeUserCA, "why")))
	for _, reason := range []string{"", "a\nb"} {
		wantCode(t, access.CodeInvalid, second(h.RotateKeys(t.Context(), dana, evidence.PurposeUserCA, reason)))
	}
	h.Signer.SetDown(&access.Error{Problem: access.Unavailable, Code: access.CodeSignerUnavailable, Message: "away", Cause: errors.New("away")})
	wantCode(t, access.CodeSignerUnavailable, second(h.RotateKeys(t.Context(), dana, evidence.PurposeUserCA, "why")))
	if kinds := h.kinds(t, ""); slices.Contains(kinds, access.EventKeysRotated) {
		t.Errorf("what was not done is on record: %v", kinds)
	}
	h.Signer.SetDown(nil)
	wantError(t, nil, second(h.RotateKeys(t.Context(), dana, "all", "a laptop is gone")))
	if kinds := h.kinds(t, ""); !slices.Contains(kinds, access.EventKeysRotated) {
		t.Errorf("it is not on record: %v", kinds)
	}
}
