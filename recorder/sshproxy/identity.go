package sshproxy

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// Signer is what the proxy asks the signer for; *wire.Client is one.
type Signer interface {
	Trust(ctx context.Context) (wire.TrustResult, error)
	SignHost(ctx context.Context, request wire.HostRequest) (wire.HostCertificate, error)
	SignTarget(ctx context.Context, request wire.TargetRequest) (wire.TargetCertificate, error)
	Present(ctx context.Context, request wire.PresentRequest) (wire.PresentResult, error)
	Continue(ctx context.Context, request wire.ContinueRequest) (wire.ContinueResult, error)
}

const (
	// refreshEvery is how often the signer is asked whom to believe: a key that was
	// withdrawn is believed, and shown, no longer than this.
	refreshEvery = 10 * time.Second
	refreshWait  = 500 * time.Millisecond // first wait after a failure; it doubles up to refreshEvery
	refreshPause = time.Second            // between two questions at least
	signerCall   = 10 * time.Second
)

// The files of an identity, in the proxy's data directory.
const (
	hostKeyFile         = "host-key"
	hostCertificateFile = "host-key-cert.pub"
	trustFile           = "trust.json"
)

// identity is who the proxy is to clients (a host key with a certificate over
// it) and whom it believes (the authorities of user certificates). Both come
// from the signer and are kept on disk, so that a restart without the signer
// goes on with what it knew.
type identity struct {
	directory string
	signer    Signer
	log       *slog.Logger
	now       func() time.Time
	key       ssh.Signer
	ready     chan struct{} // closed when there is a host certificate
	soon      chan struct{} // one token asks for a refresh before its time

	mu          sync.Mutex
	host        ssh.Signer       // shows the certificate; nil before there is one
	certificate *ssh.Certificate // the same
	trust       trust
	authorities []ssh.PublicKey
}

// trust is what is kept of the signer's trust.
type trust struct {
	UserCA       []string `json:"user_ca"`
	PolicyDigest string   `json:"policy_digest"`
	// HostFor is for which targets the host certificate was issued (namesOf): others
	// have names that it must carry.
	HostFor string `json:"host_for"`
}

// namesOf tells apart for which targets a host certificate is: those of the policy,
// by its digest, and those that inventories bring beside it, by their names. An
// inventory comes often, and mostly with the same targets as before.
func namesOf(result wire.TrustResult) string {
	// Which of them this proxy may open is the signer's configuration.
	reach, err := json.Marshal(result.Proxies)
	if err != nil {
		return "" // never
	}
	named := result.PolicyDigest + " " + evidence.Digest(string(reach))
	var names []string
	for _, inventory := range result.Trust.Inventories {
		for _, target := range inventory.Targets {
			names = append(names, target.Name)
		}
	}
	if len(names) == 0 {
		return named
	}
	slices.Sort(names)
	return named + " " + evidence.Digest(strings.Join(names, "\n"))
}

// openIdentity reads what is on disk, and makes a host key the first time.
func openIdentity(directory string, signer Signer, log *slog.Logger, now func() time.Time) (*identity, error) {
	i := &identity{directory: directory, signer: signer, log: log, now: now, ready: make(chan struct{}), soon: make(chan struct{}, 1)}
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	var err error
	if i.key, err = hostKey(filepath.Join(directory, hostKeyFile)); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(directory, trustFile))
	if errors.Is(err, fs.ErrNotExist) {
		return i, nil
	}
	if err != nil {
		return nil, err
	}
	var kept trust
	if err := json.Unmarshal(text, &kept); err != nil {
		return nil, fmt.Errorf("%s: %w", trustFile, err)
	}
	if err := i.believe(kept); err != nil {
		return nil, fmt.Errorf("%s: %w", trustFile, err)
	}
	if text, err = os.ReadFile(filepath.Join(directory, hostCertificateFile)); err == nil {
		// One that has ended, or is over another key, is as good as none.
		if err := i.show(string(text)); err != nil {
			log.Warn("the host certificate on disk is of no use", "error", err)
		}
	}
	return i, nil
}

// keep asks the signer again and again until ctx ends.
func (i *identity) keep(ctx context.Context) {
	wait := refreshWait
	for {
		pause := refreshEvery
		if err := i.refresh(ctx); err != nil && ctx.Err() == nil {
			i.log.Warn("the signer could not be asked and will be tried again", "in", wait.String(), "error", err)
			pause, wait = wait, min(2*wait, refreshEvery)
		} else {
			wait = refreshWait
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-i.soon:
		case <-ctx.Done():
		}
		timer.Stop()
		if !sleep(ctx, min(pause, refreshPause)) {
			return
		}
	}
}

// refreshSoon says that a client named something unknown: the signer may have
// learnt of it since it was last asked.
func (i *identity) refreshSoon() {
	select {
	case i.soon <- struct{}{}:
	default:
	}
}

// refresh asks whom to believe, and for a host certificate when the one there is
// gets old, lacks the names of other targets than before, or is under an authority that is
// accepted no longer.
func (i *identity) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, signerCall)
	defer cancel()
	result, err := i.signer.Trust(ctx)
	if err != nil {
		return fmt.Errorf("asking whom to believe: %w", err)
	}
	i.mu.Lock()
	kept, names := i.trust, namesOf(result)
	stale := i.host == nil || kept.HostFor != names || !i.now().Before(renewal(i.certificate)) ||
		!slices.Contains(result.Trust.HostCA, authorizedKey(i.certificate.SignatureKey))
	i.mu.Unlock()

	// Whom to believe comes first: with the host certificate the proxy opens its
	// doors.
	next := trust{UserCA: result.Trust.UserCA, PolicyDigest: result.PolicyDigest, HostFor: kept.HostFor}
	if err := i.believe(next); err != nil {
		return fmt.Errorf("the signer's authorities: %w", err)
	}
	if stale {
		answer, err := i.signer.SignHost(ctx, wire.HostRequest{PublicKey: authorizedKey(i.key.PublicKey())})
		if err != nil {
			return fmt.Errorf("asking for a host certificate: %w", err)
		}
		if err := i.show(answer.Certificate); err != nil {
			return fmt.Errorf("the signer's host certificate: %w", err)
		}
		if err := replaceFile(filepath.Join(i.directory, hostCertificateFile), []byte(answer.Certificate+"\n")); err != nil {
			return err
		}
		next.HostFor = names
	}
	if slices.Equal(next.UserCA, kept.UserCA) && next.PolicyDigest == kept.PolicyDigest && next.HostFor == kept.HostFor {
		return nil
	}
	i.mu.Lock()
	i.trust = next
	i.mu.Unlock()
	text, err := json.Marshal(next)
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(i.directory, trustFile), text)
}

// believe takes over the authorities.
func (i *identity) believe(t trust) error {
	authorities := make([]ssh.PublicKey, 0, len(t.UserCA))
	for _, line := range t.UserCA {
		key, err := parseKey(line)
		if err != nil {
			return err
		}
		if _, nested := key.(*ssh.Certificate); nested {
			return errors.New("an authority is a certificate")
		}
		authorities = append(authorities, key)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.trust, i.authorities = t, authorities
	return nil
}

// show takes over a host certificate, if it is one for our key and valid now.
func (i *identity) show(text string) error {
	key, err := parseKey(text)
	if err != nil {
		return err
	}
	certificate, ok := key.(*ssh.Certificate)
	if !ok || certificate.CertType != ssh.HostCert {
		return errors.New("it is not a host certificate")
	}
	now := uint64(max(0, i.now().Unix()))
	if now >= certificate.ValidBefore {
		return errors.New("it has ended")
	}
	if len(certificate.ValidPrincipals) == 0 {
		return errors.New("it names nobody")
	}
	host, err := ssh.NewCertSigner(certificate, i.key)
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.host == nil {
		close(i.ready)
	}
	i.host, i.certificate = host, certificate
	return nil
}

// hostSigner proves to clients who the proxy is.
func (i *identity) hostSigner() ssh.Signer {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.host
}

// answersFor tells whether the host certificate carries a name.
func (i *identity) answersFor(name string) bool {
	i.mu.Lock()
	known := i.certificate != nil && slices.Contains(i.certificate.ValidPrincipals, name)
	i.mu.Unlock()
	if !known {
		i.refreshSoon()
	}
	return known
}

// userAuthorities are the keys that sign certificates for people.
func (i *identity) userAuthorities() []ssh.PublicKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.authorities
}

// renewal is when a certificate is replaced: after two thirds of its life.
func renewal(certificate *ssh.Certificate) time.Time {
	begins, ends := int64(certificate.ValidAfter), int64(min(certificate.ValidBefore, 1<<62))
	return time.Unix(begins+(ends-begins)/3*2, 0)
}

// hostKey reads the host key, or makes it.
func hostKey(path string) (ssh.Signer, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		block, err := ssh.MarshalPrivateKey(private, "")
		if err != nil {
			return nil, err
		}
		if err := replaceFile(path, pem.EncodeToMemory(block)); err != nil {
			return nil, err
		}
		return ssh.NewSignerFromKey(private)
	}
	if err != nil {
		return nil, err
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// parseKey reads one key in authorized_keys form, and nothing beside it.
func parseKey(line string) (ssh.PublicKey, error) {
	line = strings.TrimSpace(line)
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return nil, err
	}
	// The library passes over lines in front that it cannot read.
	if len(options) != 0 || len(rest) != 0 || strings.ContainsAny(line, "\r\n") {
		return nil, errors.New("there is more than a key in the line")
	}
	return key, nil
}

func authorizedKey(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// replaceFile puts a file of mode 0600 in place whole or not at all.
func replaceFile(path string, data []byte) error {
	file, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}
