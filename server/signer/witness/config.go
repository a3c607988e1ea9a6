package witness

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"stint/server/border"
)

// Config is everything a witness is told. Unknown keys in the file are refused.
type Config struct {
	// Name is the witness's, and its key's, for example witness.example.com/stint.
	Name string `json:"name"`
	// Data is the witness's own directory, 0700: its key, and what it has seen.
	Data string `json:"data"`
	// Listen is host:port; port 0 picks one.
	Listen string `json:"listen"`
	// TLS serves over TLS; without it, plain HTTP, for this machine or behind
	// something that terminates TLS. What is said is signed by itself.
	TLS *KeyPair `json:"tls,omitempty"`
	// Logs are the verifier keys of the logs that it cosigns.
	Logs []string `json:"logs"`
}

// KeyPair names PEM files.
type KeyPair struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// ReadConfig reads and checks a configuration file; see [border.ReadConfig].
func ReadConfig(path string) (Config, error) { return border.ReadConfig(path, Config.check) }

// check names every fault.
func (c Config) check() error {
	var faults []error
	if c.Name == "" {
		faults = append(faults, errors.New("name is missing"))
	}
	if !filepath.IsAbs(c.Data) {
		faults = append(faults, fmt.Errorf("data: %q is not an absolute path", c.Data))
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		faults = append(faults, fmt.Errorf("listen: %q is not host:port", c.Listen))
	}
	if len(c.Logs) == 0 {
		faults = append(faults, errors.New("logs is empty: name the verifier key of each log"))
	}
	names := map[string]bool{}
	for i, key := range c.Logs {
		verifier, err := note.NewVerifier(key)
		if err != nil {
			faults = append(faults, fmt.Errorf("logs[%d]: %w", i, err))
		} else if names[verifier.Name()] {
			faults = append(faults, fmt.Errorf("logs[%d]: the log %s is there twice", i, verifier.Name()))
		} else {
			names[verifier.Name()] = true
		}
	}
	return errors.Join(faults...)
}
