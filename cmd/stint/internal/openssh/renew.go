package openssh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
	sshagent "golang.org/x/crypto/ssh/agent"

	"stint/cmd/stint/internal/account"
	"stint/cmd/stint/internal/agent"
	"stint/server/api"
	"stint/server/evidence"
)

// Renew gives the credential that counts in the place of a certificate, which may be
// itself: for the same key, login, target, grant and end. The broker issues it once more
// after the signer's key was withdrawn. Nobody need be signed in for that; who was is
// told the host authorities that have followed. The client may be without a token.
func Renew(ctx context.Context, who *account.Account, client *api.Client, held *ssh.Certificate) (Credential, []api.Proxy, error) {
	// 1. Nobody is believed here who was not pinned at a sign-in.
	if who.Log == "" {
		return Credential{}, nil, account.ErrSignedOut
	}
	answer, err := client.Reissue(ctx, api.Reissue{Certificate: line(held)})
	if err != nil {
		return Credential{}, nil, err
	}
	// 2. It is the same certificate but for serial, time and the signer's key.
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(answer.Certificate.Certificate))
	if err != nil {
		return Credential{}, nil, fmt.Errorf("reading the certificate: %w", err)
	}
	certificate, ok := public.(*ssh.Certificate)
	if !ok || line(certificate.Key) != line(held.Key) || certificate.CertType != held.CertType || certificate.KeyId != held.KeyId ||
		!slices.Equal(certificate.ValidPrincipals, held.ValidPrincipals) || certificate.ValidBefore != held.ValidBefore {
		return Credential{}, nil, errors.New("the certificate that came back is not the one that was shown; it was not used")
	}
	to, err := ParseDestination(certificate.ValidPrincipals[0])
	if err != nil {
		return Credential{}, nil, err
	}
	// 3. The proxies may have other host certificates by now.
	var hosts evidence.Trust
	if err := json.Unmarshal(answer.Hosts, &hosts); err != nil {
		return Credential{}, nil, fmt.Errorf("reading the signer's host authorities: %w", err)
	}
	if err := who.Follow(hosts); err != nil {
		return Credential{}, nil, err
	}
	return Credential{
		Certificate: certificate, Request: certificate.KeyId, Login: to.Login, Target: to.Target,
		Ends: time.Unix(int64(certificate.ValidBefore), 0).UTC(),
	}, answer.Certificate.Proxies, nil
}

// Replace has Stint's own agent hold a credential's certificate in the place of the one
// that it holds for the same key. Other agents cannot: they want the private key for it,
// which nobody but they has.
func Replace(keys sshagent.ExtendedAgent, c Credential) error {
	if _, err := keys.Extension(agent.RenewCertificate, c.Certificate.Marshal()); err != nil {
		return fmt.Errorf("the agent did not take the certificate: %w", err)
	}
	return nil
}
