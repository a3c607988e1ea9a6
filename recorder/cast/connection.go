package cast

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Connection says that a connection is about to be made through the session: by
// a forwarded port or socket, to the agent of the person, or to their screen. It
// is the first event of its channel, written before anything of it is passed on.
type Connection struct {
	// Type is [Forward], [RemoteForward], [Agent] or [X11].
	Type ChannelType `json:"type"`
	// From is where it came from and To where it was to go, as the side that asked
	// for it said: host:port, or unix: and a path. Any bytes; empty where the
	// protocol says nothing.
	From string `json:"from"`
	To   string `json:"to"`
	// Content tells whether its bytes are in the recording, as output and input.
	Content bool `json:"content"`
}

// ConnectionEnd says that a connection is over, or was never made. A close of its
// channel follows.
type ConnectionEnd struct {
	FromClient uint64 `json:"fromClient"` // bytes that were passed on to the target
	FromTarget uint64 `json:"fromTarget"` // bytes that were passed on to the client
	Why        string `json:"why"`        // a clause for people; empty where both sides were through
}

// ListenState is what became of a wish that the target open connections.
type ListenState string

// The states of a [Listen].
const (
	ListenAsked     ListenState = "asked"
	ListenGranted   ListenState = "granted"
	ListenRefused   ListenState = "refused" // by the target; what the proxy refuses is a Refused
	ListenCancelled ListenState = "cancelled"
)

// Listen says that the target may open connections towards the client, or no
// longer may: that a port or socket is forwarded from it, the agent, or the
// screen. Agent and X11 are on the channel that they were asked on, the others on
// channel 0.
type Listen struct {
	Type  ChannelType `json:"type"` // [RemoteForward], [Agent] or [X11]
	State ListenState `json:"state"`
	// Address is where the target listens: host:port, or unix: and a path. A port
	// of 0 asks the target to choose; the granted one is that which it chose.
	Address string `json:"address"`
}

// SignatureState is what became of a request for a signature.
type SignatureState string

// The states of an [AgentSignature].
const (
	SignatureAsked   SignatureState = "asked"
	SignatureGranted SignatureState = "granted"
	SignatureRefused SignatureState = "refused" // by the agent
)

// SignaturePurpose is what a signature of an agent's is for.
type SignaturePurpose string

// The purposes of an [AgentSignature].
const (
	// SignAuthentication: a login by a public key (RFC 4252, section 7).
	SignAuthentication SignaturePurpose = "authentication"
	// SignMessage: a message or file (OpenSSH's PROTOCOL.sshsig).
	SignMessage SignaturePurpose = "message"
	// SignUnknown: bytes that are neither.
	SignUnknown SignaturePurpose = "unknown"
)

// AgentSignature is a signature that the target asked of a forwarded agent. It is
// written as asked before the agent sees it, and again with the agent's answer
// before the target does.
type AgentSignature struct {
	State SignatureState `json:"state"`
	Key   string         `json:"key"`   // the key's fingerprint, SHA256:...
	Flags uint32         `json:"flags"` // as asked (draft-ietf-sshm-ssh-agent, section 3.6)
	// Purpose says what the signed bytes are. Name is the user name of an
	// authentication, the namespace of a message. Session is the identifier of the
	// SSH connection that an authentication is for, and Host the fingerprint of the
	// host key that it is bound to, where it is.
	Purpose SignaturePurpose `json:"purpose"`
	Name    string           `json:"name"`
	Session string           `json:"session"` // hexadecimal
	Host    string           `json:"host"`
	Digest  string           `json:"digest"` // SHA-256 of the signed bytes, hexadecimal
}

// Kind is [KindConnection].
func (Connection) Kind() Kind { return KindConnection }

// Kind is [KindConnectionEnd].
func (ConnectionEnd) Kind() Kind { return KindConnectionEnd }

// Kind is [KindAgentSignature].
func (AgentSignature) Kind() Kind { return KindAgentSignature }

// Kind is [KindListen].
func (Listen) Kind() Kind { return KindListen }

var (
	listenStates      = [...]ListenState{1: ListenAsked, 2: ListenGranted, 3: ListenRefused, 4: ListenCancelled}
	signatureStates   = [...]SignatureState{1: SignatureAsked, 2: SignatureGranted, 3: SignatureRefused}
	signaturePurposes = [...]SignaturePurpose{1: SignAuthentication, 2: SignMessage, 3: SignUnknown}
)

// number is the place of a word in its list, by which it is encoded; 0 for none.
func number[T comparable](words []T, word T) byte {
	for i := 1; i < len(words); i++ {
		if words[i] == word {
			return byte(i)
		}
	}
	return 0
}

// word takes a word of a list by its number.
func word[T any](p *parser, words []T) (none T) {
	b := p.byte()
	if b == 0 || int(b) >= len(words) {
		p.bad = true
		return none
	}
	return words[b]
}

func (p *parser) connection() Body {
	return Connection{Type: p.channelType(), From: p.string(), To: p.string(), Content: p.bool()}
}

func (p *parser) connectionEnd() Body {
	return ConnectionEnd{FromClient: p.uvarint(), FromTarget: p.uvarint(), Why: p.string()}
}

func (p *parser) listen() Body {
	return Listen{Type: p.channelType(), State: word(p, listenStates[:]), Address: p.string()}
}

func (p *parser) agentSignature() Body {
	return AgentSignature{
		State: word(p, signatureStates[:]), Key: p.string(), Flags: p.uint32(), Purpose: word(p, signaturePurposes[:]),
		Name: p.string(), Session: hex.EncodeToString([]byte(p.string())), Host: p.string(), Digest: hex.EncodeToString([]byte(p.string())),
	}
}

func (c Connection) append(b []byte) []byte {
	b = append(b, number(channelTypes[:], c.Type))
	return appendBool(appendString(appendString(b, c.From), c.To), c.Content)
}

func (c ConnectionEnd) append(b []byte) []byte {
	b = binary.AppendUvarint(binary.AppendUvarint(b, c.FromClient), c.FromTarget)
	return appendString(b, c.Why)
}

func (l Listen) append(b []byte) []byte {
	b = append(b, number(channelTypes[:], l.Type), number(listenStates[:], l.State))
	return appendString(b, l.Address)
}

func (a AgentSignature) append(b []byte) []byte {
	session, _ := hex.DecodeString(a.Session) // check has seen both
	digest, _ := hex.DecodeString(a.Digest)
	b = appendString(append(b, number(signatureStates[:], a.State)), a.Key)
	b = append(binary.AppendUvarint(b, uint64(a.Flags)), number(signaturePurposes[:], a.Purpose))
	b = appendString(appendString(b, a.Name), string(session))
	return appendString(appendString(b, a.Host), string(digest))
}

func (c Connection) check() error {
	switch c.Type {
	case Forward, RemoteForward, Agent, X11:
		return nil
	}
	return fmt.Errorf("a connection cannot be of the type %q", c.Type)
}

func (ConnectionEnd) check() error { return nil }

func (l Listen) check() error {
	if number(listenStates[:], l.State) == 0 {
		return fmt.Errorf("nothing that listens can be %q", l.State)
	}
	switch l.Type {
	case RemoteForward, Agent, X11:
		return nil
	}
	return fmt.Errorf("a target cannot listen for the type %q", l.Type)
}

func (a AgentSignature) check() error {
	if number(signatureStates[:], a.State) == 0 || number(signaturePurposes[:], a.Purpose) == 0 {
		return fmt.Errorf("a signature cannot be %q for %q", a.State, a.Purpose)
	}
	for _, text := range [...]string{a.Session, a.Digest} {
		if decoded, err := hex.DecodeString(text); err != nil || hex.EncodeToString(decoded) != text {
			return fmt.Errorf("a signature's session and digest are in lower-case hexadecimal, which %q is not", text)
		}
	}
	return nil
}
