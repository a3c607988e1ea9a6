package sshproxy

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/crypto/ssh"

	"stint/recorder/cast"
)

// maxAgentMessage bounds a message of the agent protocol, its length included: as
// much as fits into one event, and as OpenSSH's agent takes.
const maxAgentMessage = 256 << 10

// Types of messages (draft-ietf-sshm-ssh-agent, section 6.1).
const (
	agentFailure          = 5
	agentSuccess          = 6
	agentListKeys         = 11
	agentKeys             = 12
	agentSign             = 13
	agentSigned           = 14
	agentExtension        = 27
	agentExtensionFailure = 28
)

// agentRefusal is what a target is told of what it may not ask an agent for.
var agentRefusal = []byte{0, 0, 0, 1, agentFailure}

var errAgentMessage = errors.New("this is not a message of the agent protocol")

// serveAgent passes what the target asks the client's agent, one request after
// another, until one side is gone. What is not a list of keys, a signature, or
// what binds the agent to a connection is refused: a target changes no agent.
func (c *carried) serveAgent() {
	through := make(chan struct{})
	var watch sync.WaitGroup
	defer watch.Wait()
	defer close(through)
	watch.Go(func() { // a side that closes lets go of who waits for the other
		select {
		case <-c.clientClosed:
		case <-c.targetClosed:
		case <-through:
		}
		_ = c.up.Close()
		_ = c.down.Close()
	})
	for c.askAgent() == nil {
	}
}

// askAgent passes one request and its answer.
func (c *carried) askAgent() error {
	// 1. The target's request is read and recorded, whatever it is.
	request, err := readAgentMessage(c.up)
	if err != nil {
		return err
	}
	if c.session.isCut() || !c.session.record(c.number, cast.Output(request)) {
		return errNotPassed
	}
	c.session.stir()
	c.fromTarget += uint64(len(request))

	// 2. What a target may not ask for is refused and noted.
	asked, err := parseAgentRequest(request[4:])
	if err != nil {
		c.session.record(c.number, cast.Refused{What: "target agent request", Why: "stint: " + err.Error()})
		_, err := c.up.Write(agentRefusal)
		return err
	}

	// 3. A signature is recorded as what it is, before the agent is asked.
	if !c.note(asked, cast.SignatureAsked) || c.session.isCut() {
		return errNotPassed
	}
	if _, err := c.down.Write(request); err != nil {
		return err
	}

	// 4. The answer is recorded, and what became of the signature, before the target has it.
	answer, err := readAgentMessage(c.down)
	if err != nil {
		return err
	}
	if c.session.isCut() || !c.session.record(c.number, cast.Input(answer)) {
		return errNotPassed
	}
	c.session.stir()
	if !asked.isAnsweredBy(answer[4:]) {
		c.session.record(c.number, cast.Refused{What: "agent answer", Why: "stint: the agent gave an answer that does not fit"})
		answer = agentRefusal
	}
	state := cast.SignatureRefused
	if answer[4] == agentSigned {
		state = cast.SignatureGranted
	}
	if !c.note(asked, state) || c.session.isCut() {
		return errNotPassed
	}
	c.fromClient += uint64(len(answer))
	_, err = c.up.Write(answer)
	return err
}

// note records a signature, where one was asked for, and what an agent is bound to.
func (c *carried) note(asked agentRequest, state cast.SignatureState) bool {
	switch {
	case asked.signature != nil:
		said := *asked.signature
		said.State = state
		return c.session.record(c.number, said)
	case asked.bound != "" && state == cast.SignatureAsked:
		return c.session.record(c.number, cast.Note(asked.bound))
	}
	return true
}

// readAgentMessage reads a message with its length before it.
func readAgentMessage(from io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n == 0 || n > maxAgentMessage-4 {
		return nil, errAgentMessage
	}
	message := make([]byte, 4+n)
	copy(message, length[:])
	_, err := io.ReadFull(from, message[4:])
	return message, err
}

// agentRequest is a request that a target may make.
type agentRequest struct {
	kind      byte
	signature *cast.AgentSignature // what is to be signed
	bound     string               // what the agent is bound to, in words
}

// parseAgentRequest reads a request, without its length. It refuses what a target
// may not ask for, in a clause for people.
func parseAgentRequest(message []byte) (agentRequest, error) {
	kind, rest := message[0], message[1:]
	switch kind {
	case agentListKeys:
		if len(rest) == 0 {
			return agentRequest{kind: kind}, nil
		}
	case agentSign:
		var want struct {
			Key, Data []byte
			Flags     uint32
		}
		if ssh.Unmarshal(rest, &want) == nil {
			signature := describe(want.Data)
			signature.Key, signature.Flags = fingerprint(want.Key), want.Flags
			return agentRequest{kind: kind, signature: &signature}, nil
		}
	case agentExtension:
		var want struct {
			Name string
			Rest []byte `ssh:"rest"`
		}
		if ssh.Unmarshal(rest, &want) != nil {
			break
		}
		if want.Name != "session-bind@openssh.com" {
			return agentRequest{}, fmt.Errorf("a target may not ask an agent for the extension %s", printable(want.Name))
		}
		// OpenSSH's PROTOCOL.agent, section 1.
		var bind struct {
			HostKey, Session, Signature []byte
			Forwarding                  bool
		}
		if ssh.Unmarshal(want.Rest, &bind) == nil && len(bind.Session) <= maxSessionID {
			return agentRequest{kind: kind, bound: fmt.Sprintf("the agent is told that it is used with the host whose key is %s, in the SSH connection %x", fingerprint(bind.HostKey), bind.Session)}, nil
		}
	default:
		return agentRequest{}, fmt.Errorf("a target may have an agent list keys and sign, and nothing else (request %d)", kind)
	}
	return agentRequest{}, errAgentMessage
}

// isAnsweredBy tells whether an answer, without its length, is one to the request.
func (r agentRequest) isAnsweredBy(answer []byte) bool {
	kind, rest := answer[0], answer[1:]
	switch {
	case kind == agentFailure:
		return len(rest) == 0
	case kind == agentKeys && r.kind == agentListKeys:
		return isKeyList(rest)
	case kind == agentSigned && r.kind == agentSign:
		var signed struct{ Signature []byte }
		return ssh.Unmarshal(rest, &signed) == nil
	case (kind == agentSuccess || kind == agentExtensionFailure) && r.kind == agentExtension:
		return len(rest) == 0
	}
	return false
}

func isKeyList(rest []byte) bool {
	if len(rest) < 4 {
		return false
	}
	count := binary.BigEndian.Uint32(rest)
	rest = rest[4:]
	for ; count > 0; count-- {
		var one struct {
			Key, Comment []byte
			Rest         []byte `ssh:"rest"`
		}
		if ssh.Unmarshal(rest, &one) != nil {
			return false
		}
		rest = one.Rest
	}
	return len(rest) == 0
}

// maxSessionID bounds the identifier of an SSH connection: no hash is longer.
const maxSessionID = 64

// describe says what bytes are for that somebody wants signed.
func describe(data []byte) cast.AgentSignature {
	digest := sha256.Sum256(data)
	unknown := cast.AgentSignature{Purpose: cast.SignUnknown, Digest: hex.EncodeToString(digest[:])}

	// A login (RFC 4252, section 7; host bound: OpenSSH's PROTOCOL, section 3.1).
	var login struct {
		Session               []byte
		Type                  byte
		User, Service, Method string
		Signed                bool
		Algorithm             string
		Key                   []byte
		Rest                  []byte `ssh:"rest"`
	}
	const userAuthRequest = 50
	if ssh.Unmarshal(data, &login) == nil && login.Type == userAuthRequest && login.Signed && len(login.Session) <= maxSessionID {
		said := unknown
		said.Purpose, said.Name, said.Session = cast.SignAuthentication, printable(login.User), hex.EncodeToString(login.Session)
		var host struct{ Key []byte }
		switch {
		case login.Method == "publickey" && len(login.Rest) == 0:
			return said
		case login.Method == "publickey-hostbound-v00@openssh.com" && ssh.Unmarshal(login.Rest, &host) == nil:
			said.Host = fingerprint(host.Key)
			return said
		}
	}

	// A message or file (OpenSSH's PROTOCOL.sshsig).
	const magic = "SSHSIG"
	var message struct {
		Namespace, Reserved, Algorithm string
		Hash                           []byte
	}
	if len(data) > len(magic) && string(data[:len(magic)]) == magic && ssh.Unmarshal(data[len(magic):], &message) == nil {
		unknown.Purpose, unknown.Name = cast.SignMessage, printable(message.Namespace)
	}
	return unknown
}

// fingerprint names a key as OpenSSH does; a certificate by its key.
func fingerprint(blob []byte) string {
	if key, err := ssh.ParsePublicKey(blob); err == nil {
		if certificate, ok := key.(*ssh.Certificate); ok {
			blob = certificate.Key.Marshal()
		}
	}
	sum := sha256.Sum256(blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}
