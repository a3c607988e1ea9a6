package recorder

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
)

// Config is what a proxy needs to run. Its JSON form is the configuration file.
type Config struct {
	// Name is the proxy's name, the common name of its TLS certificate.
	Name string `json:"name"`
	// Instance is the installation's id.
	Instance string `json:"instance"`
	// Data is the directory that holds the host key and the spool; mode 0700.
	Data string `json:"data"`
	// Listen is the address for SSH, host:port; port 0 lets the system choose.
	Listen string `json:"listen"`
	TLS    TLS    `json:"tls"`
	Signer Peer   `json:"signer"`
	Broker Peer   `json:"broker"`
}

// TLS names the files of the proxy's own identity, PEM.
type TLS struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	// Authority is who issued the certificates of the installation. A proxy, which
	// is nobody's server, does not need it: it knows its peers by their keys.
	Authority string `json:"authority,omitempty"`
}

// Peer is a process that the proxy calls.
type Peer struct {
	URL string `json:"url"`
	Key string `json:"key"` // SHA-256 of the certificate's SubjectPublicKeyInfo, 64 hex digits
}

// maxConfig bounds the configuration file.
const maxConfig = 1 << 20

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,62}$`)

// ReadConfig reads a configuration file. Unknown fields are refused, and so is
// whatever [Config.Check] refuses.
func ReadConfig(path string) (Config, error) {
	file, err := os.Open(path)
	if err != nil {
		return Config{}, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err != nil {
		return Config{}, err
	}
	config, err := ParseConfig(text)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return config, nil
}

// ParseConfig reads the text of a configuration file.
func ParseConfig(text []byte) (Config, error) {
	if len(text) > maxConfig {
		return Config{}, errors.New("the configuration is too long")
	}
	var config Config
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&config); err != nil {
		return Config{}, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Config{}, errors.New("there is something after the configuration")
	}
	return config, config.Check()
}

// Check refuses a configuration that cannot work, and names the field.
func (c Config) Check() error {
	if !namePattern.MatchString(c.Name) {
		return fmt.Errorf("name: %q is not a name of lower-case letters, digits, dots and hyphens", c.Name)
	}
	if !namePattern.MatchString(c.Instance) {
		return fmt.Errorf("instance: %q is not an id of lower-case letters, digits and hyphens", c.Instance)
	}
	if host, port, err := net.SplitHostPort(c.Listen); err != nil || host == "" && port == "" {
		return fmt.Errorf("listen: %q is not host:port", c.Listen)
	}
	for field, path := range map[string]string{"data": c.Data, "tls.certificate": c.TLS.Certificate, "tls.key": c.TLS.Key} {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("%s: %q is not an absolute path", field, path)
		}
	}
	for field, peer := range map[string]Peer{"signer": c.Signer, "broker": c.Broker} {
		if u, err := url.Parse(peer.URL); err != nil || u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("%s.url: %q is not an https URL", field, peer.URL)
		}
		if pin, err := hex.DecodeString(peer.Key); err != nil || len(pin) != 32 {
			return fmt.Errorf("%s.key: %q is not the SHA-256 of a public key in hexadecimal", field, peer.Key)
		}
	}
	return nil
}
