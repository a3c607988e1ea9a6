package recorder

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"time"

	"stint/recorder/spool"
	"stint/server/border"
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
	// DrainSeconds is how long live sessions may go on after SIGTERM, while no other
	// starts; zero: they end at once. It is to be less than what the service manager waits.
	DrainSeconds int64 `json:"drain_seconds,omitempty"`
	// Spool bounds what waits here until the broker takes it.
	Spool Spool `json:"spool,omitzero"`
	// Tunnel is the front by way of which clients come too, where they cannot connect to
	// Listen; nil for none.
	Tunnel *Tunnel `json:"tunnel,omitempty"`
	// Front makes this proxy the front of others; nil for none.
	Front  *Front `json:"front,omitempty"`
	TLS    TLS    `json:"tls"`
	Signer Peer   `json:"signer"`
	Broker Peer   `json:"broker"`
}

// Spool bounds the recordings that wait for the broker.
type Spool struct {
	// Mebibytes is how much they may take together; DefaultSpoolMebibytes when zero. When
	// it is used up, no session starts, and each ends that has something to record.
	Mebibytes int64 `json:"mebibytes,omitempty"`
	// OutageSeconds is how long the broker may take nothing of a recording before its
	// session ends, where the role does not say `outage: hold`; zero: 60.
	OutageSeconds int64 `json:"outage_seconds,omitempty"`
}

// DefaultSpoolMebibytes is Spool.Mebibytes where nothing is said: 32 GiB.
const DefaultSpoolMebibytes = 32 << 10

const (
	mostSpoolMebibytes = 1 << 30 // a pebibyte
	mostOutage         = 24 * 3600
)

// options are where a spool is and how much it holds.
func (s Spool) options(directory string) spool.Options {
	most := s.Mebibytes
	if most == 0 {
		most = DefaultSpoolMebibytes
	}
	return spool.Options{Directory: directory, Most: most << 20, Patience: time.Duration(s.OutageSeconds) * time.Second}
}

// Tunnel is the front of a proxy that nobody can connect to.
type Tunnel struct {
	Address string `json:"address"` // host:port of the front's Listen
	Key     string `json:"key"`     // SHA-256 of its certificate's SubjectPublicKeyInfo, 64 hex digits
}

// Front is where proxies inside, and the clients that it carries to them, connect.
type Front struct {
	Listen  string        `json:"listen"` // host:port for the proxies inside
	Proxies []InsideProxy `json:"proxies"`
}

// InsideProxy is a proxy that a front carries clients to.
type InsideProxy struct {
	Name   string `json:"name"`   // for the log
	Key    string `json:"key"`    // SHA-256 of its certificate's SubjectPublicKeyInfo, 64 hex digits
	Listen string `json:"listen"` // host:port for its clients' SSH
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

// maxDrain bounds DrainSeconds.
const maxDrain = 7 * 24 * 3600

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,62}$`)

// ReadConfig reads and checks a configuration file; see [border.ReadConfig].
func ReadConfig(path string) (Config, error) { return border.ReadConfig(path, Config.Check) }

// Check refuses a configuration that cannot work. It names every fault, always in
// the same order.
func (c Config) Check() error {
	var faults []error
	fault := func(format string, values ...any) { faults = append(faults, fmt.Errorf(format, values...)) }

	if !namePattern.MatchString(c.Name) {
		fault("name: %q is not a name of lower-case letters, digits, dots and hyphens", c.Name)
	}
	if !namePattern.MatchString(c.Instance) {
		fault("instance: %q is not an id of lower-case letters, digits and hyphens", c.Instance)
	}
	if host, port, err := net.SplitHostPort(c.Listen); err != nil || host == "" && port == "" {
		fault("listen: %q is not host:port", c.Listen)
	}
	for _, file := range []struct{ field, path string }{
		{"data", c.Data}, {"tls.certificate", c.TLS.Certificate}, {"tls.key", c.TLS.Key},
	} {
		if !filepath.IsAbs(file.path) {
			fault("%s: %q is not an absolute path", file.field, file.path)
		}
	}
	if c.DrainSeconds < 0 || c.DrainSeconds > maxDrain {
		fault("drain_seconds: %d is not between 0 and %d, a week", c.DrainSeconds, maxDrain)
	}
	if c.Spool.Mebibytes < 0 || c.Spool.Mebibytes > mostSpoolMebibytes {
		fault("spool.mebibytes: %d is not between 0 and %d", c.Spool.Mebibytes, mostSpoolMebibytes)
	}
	if c.Spool.OutageSeconds < 0 || c.Spool.OutageSeconds > mostOutage {
		fault("spool.outage_seconds: %d is not between 0 and %d, a day", c.Spool.OutageSeconds, mostOutage)
	}
	for _, called := range []struct {
		field string
		peer  Peer
	}{{"signer", c.Signer}, {"broker", c.Broker}} {
		if u, err := url.Parse(called.peer.URL); err != nil || u.Scheme != "https" || u.Host == "" {
			fault("%s.url: %q is not an https URL", called.field, called.peer.URL)
		}
		if pin, err := hex.DecodeString(called.peer.Key); err != nil || len(pin) != 32 {
			fault("%s.key: %q is not the SHA-256 of a public key in hexadecimal", called.field, called.peer.Key)
		}
	}
	if c.Tunnel != nil {
		if host, port, err := net.SplitHostPort(c.Tunnel.Address); err != nil || host == "" || port == "" {
			fault("tunnel.address: %q is not host:port", c.Tunnel.Address)
		}
		if !isKey(c.Tunnel.Key) {
			fault("tunnel.key: %q is not the SHA-256 of a public key in lower-case hexadecimal", c.Tunnel.Key)
		}
	}
	if c.Front != nil {
		c.Front.check(fault)
	}
	return errors.Join(faults...)
}

func (f *Front) check(fault func(format string, values ...any)) {
	if _, _, err := net.SplitHostPort(f.Listen); err != nil {
		fault("front.listen: %q is not host:port", f.Listen)
	}
	keys := map[string]bool{}
	for i, inside := range f.Proxies {
		if !namePattern.MatchString(inside.Name) {
			fault("front.proxies[%d].name: %q is not a name of lower-case letters, digits, dots and hyphens", i, inside.Name)
		}
		if !isKey(inside.Key) || keys[inside.Key] {
			fault("front.proxies[%d].key: %q is not the SHA-256 of a public key in lower-case hexadecimal, or another's too", i, inside.Key)
		}
		keys[inside.Key] = true
		if _, _, err := net.SplitHostPort(inside.Listen); err != nil {
			fault("front.proxies[%d].listen: %q is not host:port", i, inside.Listen)
		}
	}
}

func isKey(text string) bool {
	sum, err := hex.DecodeString(text)
	return err == nil && len(sum) == 32 && text == hex.EncodeToString(sum)
}
