//go:build e2e

package e2e

import (
	"crypto/tls"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"

	"stint/server/evidence"
	"stint/server/signer/wire"
)

// signerAs calls the signer as one of the processes does: with that process's
// key and by its configuration, both from the data directory.
func (w *world) signerAs(process string) *wire.Client {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.data, "config", process+".json"))
	if err != nil {
		w.t.Fatal(err)
	}
	var config struct {
		TLS    struct{ Certificate, Key string }
		Signer struct{ URL, Key string }
	}
	if err := json.Unmarshal(text, &config); err != nil {
		w.t.Fatal(err)
	}
	certificate, err := tls.LoadX509KeyPair(config.TLS.Certificate, config.TLS.Key)
	if err != nil {
		w.t.Fatal(err)
	}
	client, err := wire.NewClient(config.Signer.URL, config.Signer.Key, certificate)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	return client
}

// ledger reads the signer's whole ledger.
func (w *world) ledger() (entries []evidence.Entry) {
	w.t.Helper()
	client := w.signerAs("broker")
	for {
		page, err := client.Ledger(w.t.Context(), int64(len(entries)), wire.MaxLedgerPage)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(page.Entries) == 0 {
			return entries
		}
		for _, text := range page.Entries {
			var entry evidence.Entry
			if err := json.Unmarshal([]byte(text), &entry); err != nil {
				w.t.Fatal(err)
			}
			entries = append(entries, entry)
		}
	}
}

// certificatesOf is the serials of the certificates that the signer issued to a
// person for a request.
func (w *world) certificatesOf(request string) (serials []string) {
	w.t.Helper()
	for _, entry := range w.ledger() {
		if entry.Session != nil && entry.Session.Request == request {
			serials = append(serials, strconv.FormatUint(entry.Session.Serial, 10))
		}
	}
	return serials
}
