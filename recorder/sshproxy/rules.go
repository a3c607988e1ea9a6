package sshproxy

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"stint/recorder/cast"
	"stint/recorder/wire"
	signer "stint/server/signer/wire"
)

// maxIdle bounds what a role may say of idleness: beyond it the number makes no sense.
const maxIdle = 366 * 24 * time.Hour

// rules are what the signer says of a session under its role.
type rules struct {
	idle time.Duration // zero: no bound
	// reauthenticate is how long it lasts without its person's word; zero: no bound
	reauthenticate time.Duration
	channels       []string // never none
	content        bool     // what goes through forwarded connections is kept, and not only how much
	networks       []netip.Prefix

	fileContent bool  // what sftp and scp copy is kept, and not only told of
	holds       bool  // it goes on while the broker takes no recordings
	bulkBytes   int64 // what is kept whole of each stream of a command without a terminal; zero: all
}

// givenChannels are what a role gives that names none. The agent and the screen of
// whoever asks lie open to the target, so a role must name them.
var givenChannels = []string{string(cast.Shell), string(cast.Exec), "sftp", string(cast.Forward), string(cast.RemoteForward)}

// forwardWords say what the words of a role are at OpenSSH's command line.
var forwardWords = map[cast.ChannelType]string{
	cast.Forward: "forward (ssh -L, -D and -W)", cast.RemoteForward: "remote-forward (ssh -R)",
	cast.Agent: "agent (ssh -A)", cast.X11: "x11 (ssh -X)",
}

// readRules reads the signer's rules. One that it does not understand refuses all of
// them: to leave it out would give what the role does not.
func readRules(said signer.SessionRules) (rules, error) {
	r := rules{channels: said.Channels}
	if len(r.channels) == 0 {
		r.channels = givenChannels
	}
	switch said.Forwards {
	case "", "events":
	case "content":
		r.content = true
	default:
		return rules{}, fmt.Errorf("forwarded connections of which %q is kept", said.Forwards)
	}
	if said.IdleSeconds < 0 || said.IdleSeconds > int64(maxIdle/time.Second) {
		return rules{}, fmt.Errorf("a session that may be idle for %d seconds", said.IdleSeconds)
	}
	if said.ReauthenticateSeconds < 0 || said.ReauthenticateSeconds > int64(maxIdle/time.Second) {
		return rules{}, fmt.Errorf("a session whose person is asked anew after %d seconds", said.ReauthenticateSeconds)
	}
	switch said.Files {
	case "", "events":
	case "content":
		r.fileContent = true
	default:
		return rules{}, fmt.Errorf("files of which %q is kept", said.Files)
	}
	switch said.Outage {
	case "", "end":
	case "hold":
		r.holds = true
	default:
		return rules{}, fmt.Errorf("an outage in which a session is to %q", said.Outage)
	}
	if r.bulkBytes = said.BulkBytes; r.bulkBytes < 0 {
		return rules{}, fmt.Errorf("%d bytes of a command that are kept", said.BulkBytes)
	}
	r.idle = time.Duration(said.IdleSeconds) * time.Second
	r.reauthenticate = time.Duration(said.ReauthenticateSeconds) * time.Second
	var err error
	r.networks, err = readNetworks(said.Networks)
	return r, err
}

func readNetworks(texts []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("the network %q: %w", text, err)
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// refusesFrom tells why no session may come from an address where these networks are named,
// in a clause for people; empty where one may. Without any it may come from anywhere. An
// address that is none of the internet's is in no network.
func refusesFrom(networks []netip.Prefix, client net.Addr) string {
	if len(networks) == 0 {
		return ""
	}
	shown := "elsewhere"
	if tcp, ok := client.(*net.TCPAddr); ok {
		// An IPv4 client of a listener for both comes as ::ffff:a.b.c.d, and a
		// link-local one with its zone: no network holds either as it is.
		address := tcp.AddrPort().Addr().Unmap().WithZone("")
		for _, network := range networks {
			if network.Contains(address) {
				return ""
			}
		}
		shown = address.String()
	}
	return fmt.Sprintf("this role can be used from certain networks only, and %s is in none of them. Connect from %s", shown, printable(list(networks, "or")))
}

// refuses tells why nothing of a type may be started, for people; empty where it may.
func (r rules) refuses(kind cast.ChannelType) string {
	word := string(kind)
	if kind == cast.Subsystem {
		word = "sftp" // the one subsystem that the proxy knows
	}
	if slices.Contains(r.channels, word) {
		return ""
	}
	if words := forwardWords[kind]; words != "" {
		word = words
	}
	return fmt.Sprintf("stint: this role gives no %s in a session; it gives %s", word, printable(list(r.channels, "and")))
}

// list joins words as in a sentence.
func list[T any](all []T, last string) string {
	var words []string
	for _, one := range all {
		words = append(words, fmt.Sprint(one))
	}
	if n := len(words); n > 1 {
		words = append(words[:n-2], words[n-2]+" "+last+" "+words[n-1])
	}
	return strings.Join(words, ", ")
}

// stir notes that something was sent, either way.
func (s *session) stir() { s.stirred.Store(int64(time.Since(s.born))) }

// armIdle ends the session when nothing has been sent for as long as its role lets it
// stand. What keeps a connection alive, and a terminal's size, do not count.
func (s *session) armIdle() {
	if s.rules.idle == 0 {
		return
	}
	s.stir()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = time.AfterFunc(s.rules.idle, s.checkIdle)
}

// checkIdle ends the session, or looks again when it could be idle for long enough.
func (s *session) checkIdle() {
	if left := s.rules.idle - (time.Since(s.born) - time.Duration(s.stirred.Load())); left > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		select {
		case <-s.over: // its clocks are stopped already, or will be after this
		default:
			s.idle.Reset(left)
		}
		return
	}
	s.end(ending{reason: wire.ReasonIdle, detail: "nothing was sent either way for " + idleWords(s.rules.idle)})
}

// idleWords says a time that a policy states, which is short.
func idleWords(d time.Duration) string {
	words := d.String()
	if strings.HasSuffix(words, "m0s") {
		words = strings.TrimSuffix(words, "0s")
	}
	if strings.HasSuffix(words, "h0m") {
		words = strings.TrimSuffix(words, "0m")
	}
	return words
}
