package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/server/access"
	"stint/server/broker/internal/store"
	"stint/server/evidence"
	"stint/server/ledger"
)

// newSessions are those that no round has compared.
func (m *Monitor) newSessions(ctx context.Context) ([]access.Session, error) {
	from, err := m.config.Store.Position(ctx, positionSessions)
	if err != nil {
		return nil, err
	}
	return m.config.Store.SessionsFrom(ctx, from, page)
}

// mostCertificates bounds what one round looks at.
const mostCertificates = 20 * page

// newCertificates are those that were stored since a little before the last round,
// the oldest first, mostCertificates at a time.
func (m *Monitor) newCertificates(ctx context.Context) ([]access.Certificate, error) {
	last, err := m.config.Store.Position(ctx, positionCertificates)
	if err != nil {
		return nil, err
	}
	var all []access.Certificate
	for since := time.UnixMicro(last).Add(-overlap); ; {
		some, err := m.config.Store.CertificatesSince(ctx, since, page)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if len(some) < page || some[len(some)-1].Issued.Equal(since) || len(all) >= mostCertificates {
			return all, nil
		}
		since = some[len(some)-1].Issued
	}
}

// compareSessions finds each session's certificate in the ledger.
func (m *Monitor) compareSessions(ctx context.Context, log store.MirroredLog, sessions []access.Session) error {
	for _, s := range sessions {
		why, err := m.sessionEntry(ctx, log, s.Serial, s.Request)
		if err != nil {
			return err
		}
		if why != "" {
			err = m.raise(ctx, []access.Alarm{{
				Kind: access.AlarmSession, Cause: access.AlarmSession + ": " + s.ID,
				Title: fmt.Sprintf("%s has a session as %s on %s with the certificate %d, which the ledger does not hold.",
					s.Person.Name, s.Login, s.Target, s.Serial),
				Request: s.Request, Session: s.ID, Detail: why,
			}})
			if err != nil {
				return err
			}
		}
		if err := m.config.Store.SetPosition(ctx, positionSessions, s.Number+1); err != nil {
			return err
		}
	}
	return nil
}

// sessionEntry looks for the entry of a person's certificate, and says what is
// wrong with it; nothing if it is there.
func (m *Monitor) sessionEntry(ctx context.Context, log store.MirroredLog, serial uint64, request string) (why string, err error) {
	// A certificate may have been issued under a ledger before this one.
	var certificate access.Certificate
	err = m.config.Store.Read(ctx, func(r access.Reader) (err error) {
		certificate, err = r.Certificate(serial)
		return err
	})
	if err == nil {
		if log, err = m.logOf(ctx, log, certificate); errors.Is(err, access.ErrNoRow) {
			return "Its certificate is of a ledger that was never mirrored.", nil
		}
	}
	if err != nil && !errors.Is(err, access.ErrNoRow) {
		return "", err
	}
	entry, err := m.entryOf(ctx, log, serial)
	if err != nil {
		return "", err
	}
	switch {
	case entry == nil:
		return fmt.Sprintf("%s holds no entry for the serial %d.", log.Origin, serial), nil
	case entry.Session == nil || entry.Session.Serial != serial:
		return fmt.Sprintf("The entry of %s for the serial %d is no certificate for a person.", log.Origin, serial), nil
	case entry.Session.Request != request:
		return fmt.Sprintf("The entry of %s for the serial %d is for the request %.80q.", log.Origin, serial, entry.Session.Request), nil
	}
	return "", nil
}

// logOf is the ledger that a certificate was issued under.
func (m *Monitor) logOf(ctx context.Context, log store.MirroredLog, c access.Certificate) (store.MirroredLog, error) {
	origin := ledger.OriginOf([]byte(c.Proof.Checkpoint))
	if origin == log.Origin {
		return log, nil
	}
	return m.config.Store.MirroredLog(ctx, origin)
}

// entryOf reads the entry that a serial leads to: the one before it, counted from
// zero. It is nil where the ledger has none, or one that cannot be read.
func (m *Monitor) entryOf(ctx context.Context, log store.MirroredLog, serial uint64) (*evidence.Entry, error) {
	if serial == 0 || serial > math.MaxInt64 || int64(serial) > log.Size {
		return nil, nil
	}
	leaves, err := m.config.Store.MirroredLeaves(ctx, log.ID, int64(serial)-1, 1)
	if err != nil || len(leaves) == 0 {
		return nil, err
	}
	var entry evidence.Entry
	if json.Unmarshal(leaves[0].Data, &entry) != nil {
		return nil, nil
	}
	return &entry, nil
}

// compareCertificates finds each stored certificate in the ledger, and the key that
// signed it among those that signed then.
func (m *Monitor) compareCertificates(ctx context.Context, log store.MirroredLog, certificates []access.Certificate) error {
	for _, c := range certificates {
		alarm, err := m.compareCertificate(ctx, log, c)
		if err != nil {
			return err
		}
		if alarm != nil {
			if err := m.raise(ctx, []access.Alarm{*alarm}); err != nil {
				return err
			}
		}
	}
	if len(certificates) == 0 {
		return nil
	}
	return m.config.Store.SetPosition(ctx, positionCertificates, after(certificates).UnixMicro())
}

// after is where the next round begins, the overlap apart. A round that was cut off
// says to go on where it ended: with the overlap, whoever has many certificates made
// in a short time would keep the monitor looking at the same ones for ever.
func after(certificates []access.Certificate) time.Time {
	last := certificates[len(certificates)-1].Issued
	if len(certificates) >= mostCertificates {
		return last.Add(overlap)
	}
	return last
}

func (m *Monitor) compareCertificate(ctx context.Context, log store.MirroredLog, c access.Certificate) (*access.Alarm, error) {
	why, err := m.sessionEntry(ctx, log, c.Serial, c.Request)
	if err != nil {
		return nil, err
	}
	if why != "" {
		return &access.Alarm{
			Kind: access.AlarmSession, Cause: fmt.Sprintf("%s: certificate %d under %s", access.AlarmSession, c.Serial, c.Request),
			Title:   fmt.Sprintf("The certificate %d was stored for a grant, and the ledger does not hold it.", c.Serial),
			Request: c.Request, Detail: why,
		}, nil
	}
	if log, err = m.logOf(ctx, log, c); err != nil {
		return nil, err
	}
	lines, err := m.keys.of(ctx, m.config.Store, log)
	if err != nil {
		return nil, err
	}
	key, err := signedBy(c.Certificate)
	if err == nil {
		err = lines.mayHaveSigned(key, int64(c.Serial)-1)
	}
	if err == nil {
		return nil, nil
	}
	return &access.Alarm{
		Kind: access.AlarmKey, Cause: fmt.Sprintf("%s: certificate %d of %s", access.AlarmKey, c.Serial, log.Origin),
		Title:   fmt.Sprintf("The certificate %d is signed by a key that did not sign then.", c.Serial),
		Request: c.Request, Detail: err.Error() + "\n\n" + c.Certificate,
	}, nil
}

// signedBy is the authority that has signed a certificate, in authorized_keys form.
func signedBy(text string) (string, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return "", fmt.Errorf("the certificate cannot be read: %w", err)
	}
	certificate, ok := key.(*ssh.Certificate)
	if !ok {
		return "", errors.New("what was stored is a key, not a certificate")
	}
	if len(certificate.ValidPrincipals) == 0 {
		return "", errors.New("the certificate is for everybody")
	}
	// When it was valid is another question.
	if err := evidence.VerifyCertificateSignature(certificate); err != nil {
		return "", fmt.Errorf("the certificate's signature: %w", err)
	}
	return string(ssh.MarshalAuthorizedKey(certificate.SignatureKey)), nil
}

// keyLine is what one entry says of the signer's keys, from that entry on.
type keyLine struct {
	number int64
	keys   []evidence.SigningKey
}

type keyLines []keyLine

// keyHistory remembers what ledgers say of the signer's keys; they are few.
type keyHistory struct {
	mu    sync.Mutex
	lines map[string]keyLines // by origin
}

// of reads what is new, and returns all.
func (h *keyHistory) of(ctx context.Context, st *store.Store, log store.MirroredLog) (keyLines, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lines == nil {
		h.lines = map[string]keyLines{}
	}
	lines := h.lines[log.Origin]
	next := int64(0)
	if len(lines) > 0 {
		next = lines[len(lines)-1].number + 1
	}
	leaves, err := st.KeysLeaves(ctx, log.ID, next)
	if err != nil {
		return nil, err
	}
	for _, leaf := range leaves {
		var entry evidence.Entry
		if err := json.Unmarshal(leaf.Data, &entry); err != nil || entry.Keys == nil {
			continue // it has an alarm of its own
		}
		lines = append(lines, keyLine{leaf.Number, entry.Keys.Keys})
	}
	h.lines[log.Origin] = lines
	return lines, nil
}

// mayHaveSigned says whether a key signs certificates for people by the entry of
// that number: it is current from the entry that made it so up to the next that
// says otherwise. The signer holds itself to the same.
func (l keyLines) mayHaveSigned(key string, number int64) error {
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(key))
	if err != nil {
		return err
	}
	var then *evidence.SigningKey
	for _, line := range l {
		if line.number > number {
			break
		}
		then = line.find(public)
	}
	fingerprint := ssh.FingerprintSHA256(public)
	switch {
	case then == nil:
		return fmt.Errorf("the key %s was none of the signer's for people at entry %d", fingerprint, number)
	case then.State != evidence.KeyCurrent:
		return fmt.Errorf("the key %s was %s at entry %d", fingerprint, then.State, number)
	}
	return nil
}

func (l keyLine) find(public ssh.PublicKey) *evidence.SigningKey {
	for i, k := range l.keys {
		parsed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k.Key))
		if err == nil && k.Purpose == evidence.PurposeUserCA && slices.Equal(parsed.Marshal(), public.Marshal()) {
			return &l.keys[i]
		}
	}
	return nil
}
