// Package openssh turns a grant into something OpenSSH can use: it activates the
// grant for a fresh session key, puts key and certificate into an agent, and
// writes the configuration that plain ssh, scp, sftp, rsync and git need.
package openssh

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/cmd/stint/internal/account"
	"stint/cmd/stint/internal/login"
	"stint/policies"
	"stint/server/api"
	"stint/server/evidence"
)

// Destination is what a person types: [login@]target.
type Destination struct {
	Login  string // empty: the grant's
	Target string
}

// ParseDestination splits at the last @, as ssh does.
func ParseDestination(text string) (Destination, error) {
	login, target := "", text
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		login, target = text[:at], text[at+1:]
	}
	if target == "" || strings.HasPrefix(text, "-") {
		return Destination{}, fmt.Errorf("%q is not [login@]target", text)
	}
	return Destination{Login: login, Target: target}, nil
}

// NoGrantError says that nothing the person holds opens a destination.
type NoGrantError struct {
	Destination Destination
	Pending     string // id of a request that waits, if there is one
	WaitsFor    string
}

// Error tells what to do next.
func (e *NoGrantError) Error() string {
	if e.Pending != "" {
		return fmt.Sprintf("request %s for %s is not approved yet: %s", e.Pending, e.Destination.Target, e.WaitsFor)
	}
	return fmt.Sprintf("you hold no grant for %s; ask with: stint request ROLE --target %s --reason \"…\" (roles: stint roles)", e.Destination.Target, e.Destination.Target)
}

// FindGrant returns the caller's live grant for a destination: of several the
// one that ends last.
func FindGrant(ctx context.Context, client *api.Client, to Destination) (api.RequestSummary, error) {
	var best *api.RequestSummary
	missing := &NoGrantError{Destination: to}
	// In the order of a request's life: one that moves on meanwhile is met again,
	// and not missed.
	for _, state := range []string{"pending", "approved", "active"} {
		for cursor := ""; ; {
			page, err := client.Requests(ctx, api.RequestsQuery{View: "mine", State: state, Limit: 100, Cursor: cursor})
			if err != nil {
				return api.RequestSummary{}, err
			}
			for _, item := range page.Items {
				if item.Target != to.Target || (to.Login != "" && item.Login != to.Login) {
					continue
				}
				if item.State != state {
					continue // time has ended it just now
				}
				if state == "pending" {
					missing.Pending, missing.WaitsFor = item.ID, item.WaitsFor
				} else if item.Ends != nil && (best == nil || item.Ends.After(*best.Ends)) {
					best = &item
				}
			}
			if cursor = page.Cursor; cursor == "" {
				break
			}
		}
	}
	if best == nil {
		return api.RequestSummary{}, missing
	}
	return *best, nil
}

// Credential is a session key with its certificate, good for one grant.
type Credential struct {
	Key         ed25519.PrivateKey // nil where an agent alone has it
	Certificate *ssh.Certificate
	Request     string
	Login       string
	Target      string
	Device      string // that activated it; empty for none, and where an agent has it
	Ends        time.Time
}

// Device is the machine that a grant is activated from.
type Device struct {
	ID   string
	Say  func(context.Context) (*api.SignedByDevice, error) // its posture; nil where no role asks
	Sign func(ctx context.Context, text string) (string, error)
}

// prepare names the device in an activation, and returns its posture.
func (d *Device) prepare(ctx context.Context, activation *evidence.Activation) (*api.SignedByDevice, error) {
	if d == nil {
		return nil, nil
	}
	said, err := d.Say(ctx)
	if err != nil {
		return nil, err
	}
	activation.Device = d.ID
	if said != nil {
		activation.Posture = evidence.Digest(said.Statement)
	}
	return said, nil
}

// prove signs the activation's text.
func (d *Device) prove(ctx context.Context, text string, said *api.SignedByDevice) (*api.DeviceProof, error) {
	if d == nil {
		return nil, nil
	}
	signature, err := d.Sign(ctx, text)
	if err != nil {
		return nil, err
	}
	return &api.DeviceProof{Signature: signature, Posture: said}, nil
}

// Activate makes a fresh session key and has the signer certify it under a
// grant, from a device where there is one. The request's text is read here, so that the login key signs only for
// what the person holds.
func Activate(ctx context.Context, who *account.Account, client *api.Client, grant api.RequestSummary, device *Device, random io.Reader, now func() time.Time) (Credential, error) {
	// 1. Read what was asked, from the text that approvers signed.
	id := grant.ID
	request, err := client.Request(ctx, id)
	if err != nil {
		return Credential{}, err
	}
	asked, err := evidence.DecodeAs[*evidence.Request](request.Statement)
	if err != nil {
		return Credential{}, fmt.Errorf("reading the request's statement: %w", err)
	}
	self := policies.Subject{Issuer: who.Person.Issuer, Subject: who.Person.Subject}
	if asked.Requester != self || asked.Request != id {
		return Credential{}, errors.New("the broker answered with somebody else's request; nothing was signed")
	}
	if asked.Ask.Login != grant.Login || asked.Ask.Target != grant.Target {
		return Credential{}, fmt.Errorf("the broker lists request %s for another host or login than its text says (%s@%s); nothing was signed", id, asked.Ask.Login, asked.Ask.Target)
	}

	// 2. Bind a fresh key to it with the login key, and with the device's.
	public, private, err := ed25519.GenerateKey(random)
	if err != nil {
		return Credential{}, err
	}
	var nonce [16]byte
	if _, err := io.ReadFull(random, nonce[:]); err != nil {
		return Credential{}, err
	}
	activation, err := evidence.ActivationOf(request.Statement, evidence.FormatKey(public), now().UTC().Truncate(time.Second), evidence.NewNonce(nonce))
	if err != nil {
		return Credential{}, fmt.Errorf("writing the activation: %w", err)
	}
	said, err := device.prepare(ctx, activation)
	if err != nil {
		return Credential{}, err
	}
	text, err := evidence.Encode(activation)
	if err != nil {
		return Credential{}, fmt.Errorf("writing the activation: %w", err)
	}

	proof, err := device.prove(ctx, text, said)
	if err != nil {
		return Credential{}, err
	}

	// 3. Have it certified, and take only a certificate for exactly this.
	answer, err := client.Activate(ctx, id, api.Activation{Statement: text, Signature: who.Sign(text).Signature, Login: login.Binding(who.Login), Device: proof})
	if err != nil {
		return Credential{}, err
	}
	certificate, err := checked(answer.Certificate, public, asked)
	if err != nil {
		return Credential{}, err
	}
	return Credential{
		Key: private, Certificate: certificate, Request: id, Login: asked.Ask.Login, Target: asked.Ask.Target,
		Device: activation.Device, Ends: answer.Ends,
	}, nil
}

// checked parses a certificate and refuses one for another key or principal.
func checked(line string, key ed25519.PublicKey, asked *evidence.Request) (*ssh.Certificate, error) {
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	certificate, ok := public.(*ssh.Certificate)
	mine, err := ssh.NewPublicKey(key)
	if err != nil || !ok || string(certificate.Key.Marshal()) != string(mine.Marshal()) || certificate.CertType != ssh.UserCert {
		return nil, errors.New("the certificate that came back is not for this machine's key; it was not used")
	}
	principal := asked.Ask.Login + "@" + asked.Ask.Target
	if len(certificate.ValidPrincipals) != 1 || certificate.ValidPrincipals[0] != principal || certificate.KeyId != asked.Request {
		return nil, fmt.Errorf("the certificate that came back is not for %s; it was not used", principal)
	}
	return certificate, nil
}
