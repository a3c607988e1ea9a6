package broker

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"stint/server/border"
	"stint/server/broker/internal/facts"
	"stint/server/broker/internal/fleet"
	"stint/server/broker/internal/recordings"
)

// Config is what a broker needs to run. Its JSON form is the configuration file.
type Config struct {
	// Instance is the installation's id: part of every statement and of the
	// cookie's name.
	Instance string `json:"instance"`
	// Data is the directory of recordings and the audit key; mode 0700.
	Data string `json:"data"`
	// Listen is the address of portal and API, host:port; port 0 lets the system
	// choose, but then URL and Origins must fit what it chose.
	Listen string `json:"listen"`
	// URL is what people type: scheme and host, without a path.
	URL string `json:"url"`
	// PortalTLS serves the portal over TLS; without it, plain HTTP, which is
	// allowed on loopback only or behind something that terminates TLS.
	PortalTLS *KeyPair `json:"portal_tls,omitempty"`
	// Balancers are the addresses or networks of what stands in front of Listen and
	// says in X-Forwarded-For whose a call is; nobody else is believed about that.
	// Without it, everybody behind one counts as one caller.
	Balancers []string `json:"balancers,omitempty"`
	// ProxyListen is the address for recording proxies, mutual TLS.
	ProxyListen string `json:"proxy_listen"`
	// TLS is the broker's identity towards signer and proxies.
	TLS TLS `json:"tls"`
	// Proxies are those that may connect, and where people's ssh reaches them.
	Proxies []Proxy `json:"proxies"`
	Signer  Signer  `json:"signer"`
	// Database is "sqlite:PATH" or a postgres:// URL.
	Database string `json:"database"`
	// Policy is a directory of YAML, used until the signer's own is known.
	Policy string `json:"policy"`
	Issuer Issuer `json:"issuer"`
	// Fleet is the Fleet server that is asked about devices; none where it is absent.
	Fleet *Fleet `json:"fleet,omitempty"`
	// Facts is the source of asserted facts; none where it is absent.
	Facts *Facts `json:"facts,omitempty"`
	// Recordings is where recordings go, and for how long; absent, they stay in Data for ever.
	Recordings Recordings `json:"recordings,omitzero"`
	// RelyingParty is the WebAuthn relying-party id: the exact host of URL.
	RelyingParty string `json:"relying_party"`
	// Origins are the exact origins that may write with a cookie, and whose
	// passkey ceremonies count. URL is one of them.
	Origins []string `json:"origins"`
}

// KeyPair names the PEM files of a certificate with its key.
type KeyPair struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// TLS names the PEM files of the broker's identity between processes.
type TLS struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	Authority   string `json:"authority"` // who issued the certificates of the installation
}

// Proxy is a recording proxy that may connect.
type Proxy struct {
	Name    string `json:"name"`    // common name of its certificate
	Key     string `json:"key"`     // SHA-256 of its SubjectPublicKeyInfo, 64 hex digits
	Address string `json:"address"` // host:port for people's ssh
}

// Signer is where the signer is and who it is.
type Signer struct {
	URL string `json:"url"`
	Key string `json:"key"` // SHA-256 of its SubjectPublicKeyInfo, 64 hex digits
}

// Issuer is the OpenID provider with the two clients of this installation.
type Issuer struct {
	URL                    string `json:"url"`
	PortalClientID         string `json:"portal_client_id"`
	PortalClientSecretFile string `json:"portal_client_secret_file"`
	CommandLineClientID    string `json:"cli_client_id"`
}

// Fleet is where the Fleet server is, and how it knows us.
type Fleet struct {
	URL       string `json:"url"`                  // https://host
	TokenFile string `json:"token_file"`           // of an API-only user who may read hosts
	RootsFile string `json:"roots_file,omitempty"` // PEM; the system's roots where it is absent
}

// Facts is where asserted facts come from, and how the source knows us.
type Facts struct {
	URL       string `json:"url"`                  // https, to which each question is posted
	TokenFile string `json:"token_file"`           // shown as a bearer token
	RootsFile string `json:"roots_file,omitempty"` // PEM; the system's roots where it is absent
	// TimeoutSeconds bounds one call; 3 at most, and where it is absent.
	TimeoutSeconds int `json:"timeout_seconds,omitempty"`
}

// Recordings is how recordings of sessions that are over are kept.
type Recordings struct {
	// Store is the object store to which whole recordings are brought: s3://BUCKET with
	// the options of gocloud.dev/blob/s3blob, or file:///DIRECTORY. They stay in Data
	// where it is absent.
	Store string `json:"store,omitempty"`
	// Lock has S3 keep each object for so long, whoever wants it deleted. The bucket must
	// have been made with object lock.
	Lock *ObjectLock `json:"object_lock,omitempty"`
	// RetentionDays is for how long after a session's end its recording is kept; for ever
	// where it is absent.
	RetentionDays int `json:"retention_days,omitempty"`
}

// ObjectLock is a lock of S3 on each object.
type ObjectLock struct {
	Mode string `json:"mode"` // governance or compliance
	Days int    `json:"days"`
}

// maxDays bounds what a clock can count.
const maxDays = 36500

func (r Recordings) check() (wrong []error) {
	if r.Store != "" {
		if err := recordings.CheckBucket(r.Store); err != nil {
			wrong = append(wrong, fmt.Errorf("recordings.store: %w", err))
		}
	}
	if r.RetentionDays < 0 || r.RetentionDays > maxDays {
		wrong = append(wrong, fmt.Errorf("recordings.retention_days: must be from 1 to %d", maxDays))
	}
	if lock := r.Lock; lock != nil {
		if !strings.HasPrefix(r.Store, "s3:") {
			wrong = append(wrong, errors.New("recordings.object_lock: only a store at S3 locks objects"))
		}
		if lock.Mode != "governance" && lock.Mode != "compliance" {
			wrong = append(wrong, errors.New("recordings.object_lock.mode: must be governance or compliance"))
		}
		if lock.Days < 1 || lock.Days > maxDays {
			wrong = append(wrong, fmt.Errorf("recordings.object_lock.days: must be from 1 to %d", maxDays))
		}
		if r.RetentionDays > 0 && lock.Days > r.RetentionDays {
			wrong = append(wrong, errors.New("recordings.object_lock.days: must not be more than retention_days, since nothing could be removed in time"))
		}
	}
	return wrong
}

const day = 24 * time.Hour

func (r Recordings) retention() time.Duration { return time.Duration(r.RetentionDays) * day }

// open opens the object store; nil where there is none.
func (r Recordings) open(ctx context.Context) (*recordings.Bucket, error) {
	if r.Store == "" {
		return nil, nil
	}
	var lock recordings.Lock
	if r.Lock != nil {
		lock = recordings.Lock{Mode: r.Lock.Mode, For: time.Duration(r.Lock.Days) * day}
	}
	return recordings.OpenBucket(ctx, r.Store, lock)
}

var (
	instancePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{3,31}$`)
	namePattern     = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,62}$`)
)

// ReadConfig reads and checks a configuration file; see [border.ReadConfig].
func ReadConfig(path string) (Config, error) { return border.ReadConfig(path, Config.Check) }

// Check says what is missing or contradictory, all of it at once.
func (c Config) Check() error {
	var wrong []error
	fail := func(format string, arguments ...any) { wrong = append(wrong, fmt.Errorf(format, arguments...)) }

	if !instancePattern.MatchString(c.Instance) {
		fail("instance: must be 4 to 32 lower-case letters, digits and hyphens")
	}
	for _, path := range [][2]string{
		{"data", c.Data}, {"policy", c.Policy}, {"tls.certificate", c.TLS.Certificate}, {"tls.key", c.TLS.Key},
		{"tls.authority", c.TLS.Authority}, {"issuer.portal_client_secret_file", c.Issuer.PortalClientSecretFile},
	} {
		if !filepath.IsAbs(path[1]) {
			fail("%s: must be an absolute path", path[0])
		}
	}
	for _, address := range [][2]string{{"listen", c.Listen}, {"proxy_listen", c.ProxyListen}} {
		if _, _, err := net.SplitHostPort(address[1]); err != nil {
			fail("%s: must be host:port", address[0])
		}
	}
	for i, balancer := range c.Balancers {
		address, err := netip.ParseAddr(balancer)
		network, wider := netip.ParsePrefix(balancer)
		if (err != nil || address.Zone() != "") && (wider != nil || network.Bits() == 0) {
			fail("balancers[%d]: must be an address or a network, such as 10.0.0.7 or 10.0.0.0/24", i)
		}
	}
	if c.PortalTLS != nil && (!filepath.IsAbs(c.PortalTLS.Certificate) || !filepath.IsAbs(c.PortalTLS.Key)) {
		fail("portal_tls: certificate and key must be absolute paths")
	}
	if !strings.HasPrefix(c.Database, "sqlite:") && !strings.HasPrefix(c.Database, "postgres://") && !strings.HasPrefix(c.Database, "postgresql://") {
		fail("database: must be sqlite:PATH or a postgres:// URL")
	}
	wrong = append(wrong, c.checkPeers()...)
	wrong = append(wrong, c.checkOrigins()...)
	wrong = append(wrong, c.Recordings.check()...)
	if f := c.Fleet; f != nil {
		if err := fleet.CheckAddress(f.URL); err != nil {
			fail("fleet.url: %w", err)
		}
		if !filepath.IsAbs(f.TokenFile) || f.RootsFile != "" && !filepath.IsAbs(f.RootsFile) {
			fail("fleet: token_file and roots_file must be absolute paths")
		}
	}
	if f := c.Facts; f != nil {
		if err := facts.CheckAddress(f.URL); err != nil {
			fail("facts.url: %w", err)
		}
		if !filepath.IsAbs(f.TokenFile) || f.RootsFile != "" && !filepath.IsAbs(f.RootsFile) {
			fail("facts: token_file and roots_file must be absolute paths")
		}
		if f.TimeoutSeconds < 0 || time.Duration(f.TimeoutSeconds)*time.Second > facts.DefaultTimeout {
			fail("facts.timeout_seconds: must be from 1 to %d", int(facts.DefaultTimeout/time.Second))
		}
	}
	return errors.Join(wrong...)
}

func (c Config) checkPeers() (wrong []error) {
	fail := func(format string, arguments ...any) { wrong = append(wrong, fmt.Errorf(format, arguments...)) }
	names, keys := map[string]bool{}, map[string]bool{}
	for i, p := range c.Proxies {
		if !namePattern.MatchString(p.Name) || names[p.Name] {
			fail("proxies[%d].name: must be a name that no other proxy has", i)
		}
		if !isKey(p.Key) || keys[p.Key] {
			fail("proxies[%d].key: must be the SHA-256 of a public key in 64 lower-case hex digits, and no other proxy's", i)
		}
		if _, _, err := net.SplitHostPort(p.Address); err != nil {
			fail("proxies[%d].address: must be host:port", i)
		}
		names[p.Name], keys[p.Key] = true, true
	}
	if u, err := url.Parse(c.Signer.URL); err != nil || u.Scheme != "https" || u.Host == "" {
		fail("signer.url: must be https://host:port")
	}
	if !isKey(c.Signer.Key) {
		fail("signer.key: must be the SHA-256 of a public key in 64 lower-case hex digits")
	}
	if u, err := url.Parse(c.Issuer.URL); err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		fail("issuer.url: must be the URL of an OpenID provider")
	} else if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		fail("issuer.url: must be https unless it is on loopback")
	}
	if c.Issuer.PortalClientID == "" || c.Issuer.CommandLineClientID == "" {
		fail("issuer: portal_client_id and cli_client_id are needed")
	} else if c.Issuer.PortalClientID == c.Issuer.CommandLineClientID {
		// A token of the portal's client must never look like the command line's:
		// the broker sees the portal's.
		fail("issuer: portal_client_id and cli_client_id must be two clients")
	}
	return wrong
}

func (c Config) checkOrigins() (wrong []error) {
	fail := func(format string, arguments ...any) { wrong = append(wrong, fmt.Errorf(format, arguments...)) }
	if len(c.Origins) == 0 || !slices.Contains(c.Origins, c.URL) {
		fail("origins: must hold url (%s), exactly", c.URL)
	}
	for i, origin := range c.Origins {
		u, err := url.Parse(origin)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.Scheme+"://"+u.Host != origin || origin != strings.ToLower(origin) {
			fail("origins[%d]: must be scheme://host or scheme://host:port in lower case, without a path", i)
			continue
		}
		if u.Scheme == "http" && !isLoopback(u.Hostname()) {
			fail("origins[%d]: must be https unless it is on loopback; browsers offer passkeys nowhere else", i)
		}
		if u.Hostname() != c.RelyingParty {
			fail("origins[%d]: its host must be relying_party (%s): a parent domain would let every host below it sign", i, c.RelyingParty)
		}
	}
	return wrong
}

func isKey(text string) bool {
	sum, err := hex.DecodeString(text)
	return err == nil && len(sum) == 32 && text == strings.ToLower(text)
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
