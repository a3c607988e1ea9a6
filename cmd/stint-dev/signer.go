package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"stint/cmd/stint-dev/internal/installation"
)

// signerTrustPath is where the signer tells what it believes: to the broker and
// to proxies, so here the broker's certificate is shown.
const signerTrustPath = "/v1/trust"

// askSigner fetches what targets and people are to trust.
func (w *world) askSigner(ctx context.Context) (signerTrust, error) {
	var trust signerTrust
	config, err := w.certificates.Client(brokerName, signerName)
	if err != nil {
		return trust, err
	}
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+w.installation.Address(installation.Signer)+signerTrustPath, nil)
	if err != nil {
		return trust, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return trust, fmt.Errorf("asking the signer whom to trust: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 4<<20))
	if err != nil {
		return trust, fmt.Errorf("asking the signer whom to trust: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return trust, fmt.Errorf("asking the signer whom to trust: it answers %s: %s", answer.Status, body)
	}
	if err := json.Unmarshal(body, &trust); err != nil {
		return trust, fmt.Errorf("reading the signer's answer: %w", err)
	}
	if len(trust.Trust.HostCA) == 0 || len(trust.Trust.TargetCA) == 0 {
		return trust, fmt.Errorf("the signer names no host CA or no target CA")
	}
	return trust, nil
}
