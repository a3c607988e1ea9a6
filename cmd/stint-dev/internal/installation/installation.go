// Package installation is what one data directory of stint-dev is: the things
// chosen at its first start and kept from then on.
//
// Ports are kept because identity is issuer and subject: a provider at another
// address would make everybody a stranger, and a portal at another one would
// lose every passkey. Names and secrets are kept because people wrote them down.
package installation

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const version = 3

// Installation is the content of DIR/config.json.
type Installation struct {
	Version int `json:"version"`
	// Instance is a random id: cookies and statements carry it, so that
	// installations on one machine do not mistake each other's.
	Instance string `json:"instance"`
	// Portal is the host and port that people's browsers go to.
	Portal string `json:"portal"`
	// Ports are those of the other listeners, all on 127.0.0.1, by what listens.
	Ports        map[string]int `json:"ports"`
	PortalSecret string         `json:"portal_secret"`
	Users        []User         `json:"users"`

	dir  string
	lock *os.File
	// aside are the ports of the listeners.
	aside ports
}

// User is somebody who can sign in at the local provider.
type User struct {
	Name     string   `json:"name"`
	About    string   `json:"about"` // for whoever reads the list; empty: not in the list
	Email    string   `json:"email"`
	Subject  string   `json:"subject"`
	Password string   `json:"password"`
	Groups   []string `json:"groups"`
}

// Names of the first administrator, and of who performs the demo scenario.
const (
	Administrator = "dana"
	DemoEngineer  = "demo-engineer"
)

// people are who lives in a new installation.
var people = []User{
	{Name: "alice", About: "engineer: asks for access", Groups: []string{"engineering"}},
	{Name: "bob", About: "approver: agrees with a passkey", Groups: []string{"engineering", "sre-leads"}},
	{Name: "carol", About: "security: sees and replays everything", Groups: []string{"security"}},
	{Name: Administrator, About: "platform administrator: signs enrolments", Groups: []string{"platform"}},
	{Name: DemoEngineer, Groups: []string{"demo"}},
}

// Listeners that Ports names, beside one for each target ("target-NAME").
const (
	Provider     = "provider"
	Signer       = "signer"
	Ceremony     = "ceremony"    // the signer's own page, for the first administrator
	BrokerWire   = "broker-wire" // where proxies report to the broker
	Proxy        = "proxy"
	targetPrefix = "target-"
)

// Open locks dir and reads what is kept there; at a first start it chooses and
// keeps. listen is host:port of the portal: port 0 means the kept one, or at a
// first start any; another port than the kept one is refused. fixed says that
// the person named the port, so that another kept one is worth an error.
func Open(dir, listen string, fixed bool, targets []string) (*Installation, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	lock, err := lockDirectory(dir)
	if err != nil {
		return nil, err
	}
	i, err := open(dir, listen, fixed, targets)
	if err != nil {
		lock.Close()
		return nil, err
	}
	i.dir, i.lock = dir, lock
	return i, nil
}

func open(dir, listen string, fixed bool, targets []string) (*Installation, error) {
	host, port, err := splitListen(listen)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "config.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		i, err := choose(host, port, targets)
		if err != nil {
			return nil, err
		}
		return i, i.keep(path)
	}
	if err != nil {
		return nil, err
	}
	i, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if _, kept, _ := splitListen(i.Portal); fixed && port != 0 && port != kept {
		return nil, fmt.Errorf("the installation in %s has its portal at %s, and passkeys and identities belong to that address; leave --listen out, or choose another --data for %s", dir, i.Portal, listen)
	}
	for name, port := range i.listeners() {
		if err := i.aside.reserve(port); err != nil {
			i.aside.release()
			return nil, fmt.Errorf("%s of the installation in %s listens on port %d, which is taken: %w; stop what uses it, or choose another --data", name, dir, port, err)
		}
	}
	return i, nil
}

func parse(data []byte) (*Installation, error) {
	// The version first: what another one holds would only look broken.
	var written struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &written); err != nil {
		return nil, fmt.Errorf("it cannot be read: %w", err)
	}
	if written.Version != version {
		return nil, fmt.Errorf("it is of version %d, this stint-dev writes version %d; choose another --data, or remove the directory", written.Version, version)
	}
	var i Installation
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&i); err != nil {
		return nil, fmt.Errorf("it cannot be read: %w", err)
	}
	if i.Instance == "" {
		return nil, errors.New("it cannot be read: it names no instance")
	}
	return &i, nil
}

// splitListen takes localhost:PORT apart. Passkeys refuse IP addresses, and
// nothing of a development installation belongs on a network.
func splitListen(listen string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("--listen %q is not host:port, such as localhost:8420", listen)
	}
	if host != "localhost" {
		return "", 0, fmt.Errorf("--listen %q: the host must be localhost (browsers refuse passkeys on 127.0.0.1, and this is for one machine)", listen)
	}
	if port, err = strconv.Atoi(text); err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("--listen %q: %q is no port", listen, text)
	}
	return host, port, nil
}

func choose(host string, port int, targets []string) (*Installation, error) {
	i := &Installation{
		Version: version, Instance: strings.ToLower(rand.Text()[:8]),
		Ports: map[string]int{}, PortalSecret: rand.Text(),
	}
	if port == 0 {
		var err error
		if port, err = i.aside.choose(); err != nil {
			return nil, err
		}
	} else if err := i.aside.reserve(port); err != nil {
		return nil, fmt.Errorf("port %d is taken: %w; choose another with --listen localhost:PORT (0 for any)", port, err)
	}
	i.Portal = net.JoinHostPort(host, strconv.Itoa(port))
	for _, name := range append([]string{Provider, Signer, Ceremony, BrokerWire, Proxy}, prefixed(targets)...) {
		var err error
		if i.Ports[name], err = i.aside.choose(); err != nil {
			return nil, err
		}
	}
	for _, user := range people {
		user.Email, user.Subject, user.Password = user.Name+"@example.com", rand.Text(), password()
		i.Users = append(i.Users, user)
	}
	return i, nil
}

func prefixed(targets []string) (names []string) {
	for _, target := range targets {
		names = append(names, targetPrefix+target)
	}
	return names
}

// password makes one that is easy to type: 80 bits in four groups.
func password() string {
	text := strings.ToLower(rand.Text()[:16])
	return strings.Join([]string{text[:4], text[4:8], text[8:12], text[12:]}, "-")
}

// keep writes the file in one step, so that a start that is killed here leaves
// either nothing or everything.
func (i *Installation) keep(path string) error {
	data, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(path, append(data, '\n'))
}

// WriteFile puts a private file in place in one step, on disk before it counts.
func WriteFile(path string, data []byte) error {
	next, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(next.Name())
	if _, err = next.Write(data); err == nil {
		err = next.Sync()
	}
	if closeErr := next.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(next.Name(), path)
}

// Dir is the data directory.
func (i *Installation) Dir() string { return i.dir }

// Close gives ports and data directory free for another start.
func (i *Installation) Close() error {
	i.aside.release()
	return i.lock.Close()
}

// PortalURL is where people's browsers go, without a slash at the end.
func (i *Installation) PortalURL() string { return "http://" + i.Portal }

// CeremonyURL is the origin of the signer's own page: passkeys belong to the host
// localhost, on whatever port.
func (i *Installation) CeremonyURL() string {
	return fmt.Sprintf("http://localhost:%d", i.Ports[Ceremony])
}

// Issuer is the OpenID provider's URL.
func (i *Installation) Issuer() string {
	return fmt.Sprintf("http://localhost:%d/dex", i.Ports[Provider])
}

// Address is 127.0.0.1 with the port of a listener.
func (i *Installation) Address(listener string) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(i.Ports[listener]))
}

// TargetAddress is where a target's sshd listens.
func (i *Installation) TargetAddress(target string) string { return i.Address(targetPrefix + target) }

// User returns the user of that name.
func (i *Installation) User(name string) (User, bool) {
	for _, user := range i.Users {
		if user.Name == name {
			return user, true
		}
	}
	return User{}, false
}

func (i *Installation) listeners() map[string]int {
	all := map[string]int{}
	for name, port := range i.Ports {
		all["the "+strings.ReplaceAll(name, "-", " ")] = port
	}
	_, all["the portal"], _ = splitListen(i.Portal)
	return all
}
