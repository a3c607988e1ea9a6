//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"

	"stint/server/api"
	"stint/server/evidence"
)

// trust is what the signer believes now, as a person's machine is told.
func (c *terminal) trust() (trust evidence.Trust) {
	c.w.t.Helper()
	var signedIn struct {
		URL   string `json:"url"`
		Token string `json:"token"`
	}
	text, err := os.ReadFile(filepath.Join(c.home, ".stint", "account.json"))
	if err == nil {
		err = json.Unmarshal(text, &signedIn)
	}
	if err != nil {
		c.w.t.Fatal(err)
	}
	client, err := api.NewClient(signedIn.URL, signedIn.Token, nil)
	if err != nil {
		c.w.t.Fatal(err)
	}
	answer, err := client.Trust(c.w.t.Context())
	if err == nil {
		err = json.Unmarshal(answer.Trust, &trust)
	}
	if err != nil {
		c.w.t.Fatal(err)
	}
	return trust
}
