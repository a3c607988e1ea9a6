package sshproxy

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/cpu"
)

const (
	// maxVersion bounds a client's version line (RFC 4253, section 4.2).
	maxVersion = 255
	// maxKexInit bounds the packet in which a client says what it can do; it is the
	// size that every implementation must be able to read (RFC 4253, section 6.1).
	maxKexInit = 35000
)

// Nothing else is offered to clients: no exchange over the NIST curves, no MAC that
// does not cover the encrypted packet, and nothing with SHA-1. x/crypto marks its
// offers for the strict key exchange by itself, which takes Terrapin
// (CVE-2023-48795) from ChaCha20 and from encrypt-then-MAC.
var (
	clientKeyExchanges = []string{ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519}
	clientMACs         = []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM}
)

var (
	gcm    = []string{ssh.CipherAES128GCM, ssh.CipherAES256GCM}
	counts = []string{ssh.CipherAES128CTR, ssh.CipherAES192CTR, ssh.CipherAES256CTR}
	chacha = []string{ssh.CipherChaCha20Poly1305}
)

// fastGCM tells whether the processor has instructions for AES-GCM, as crypto/tls asks.
var fastGCM = cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ || cpu.ARM64.HasAES && cpu.ARM64.HasPMULL

// allCiphers are those of both legs, the fastest first.
func allCiphers() []string {
	if fastGCM {
		return slices.Concat(gcm, chacha, counts)
	}
	return slices.Concat(chacha, gcm, counts)
}

// ciphersFor are the ciphers to offer to a client. Of what both offer, the client's
// order decides, and OpenSSH's begins with ChaCha20, which costs several times what
// AES-GCM does where there are instructions for that. So a client that has
// it is offered nothing else. A client of which nothing is known gets all.
func ciphersFor(client *kexInit) []string {
	if !fastGCM || client == nil {
		return allCiphers()
	}
	both := slices.DeleteFunc(slices.Clone(gcm), func(cipher string) bool {
		return !slices.Contains(client.CiphersFromClient, cipher) || !slices.Contains(client.CiphersToClient, cipher)
	})
	if len(both) == 0 {
		return allCiphers()
	}
	return both
}

// kexInit is SSH_MSG_KEXINIT (RFC 4253, section 7.1).
type kexInit struct {
	Cookie                  [16]byte `sshtype:"20"`
	KeyExchanges            []string
	HostKeys                []string
	CiphersFromClient       []string
	CiphersToClient         []string
	MACsFromClient          []string
	MACsToClient            []string
	CompressionsFromClient  []string
	CompressionsToClient    []string
	LanguagesFromClient     []string
	LanguagesToClient       []string
	FirstKeyExchangeFollows bool
	Reserved                uint32
}

var errVersion = errors.New("the version line is too long")

// readVersion reads a version line with its end, or what there is of it. x/crypto
// judges what is in it.
func readVersion(from io.Reader) ([]byte, error) {
	line := make([]byte, 0, 64)
	for len(line) < maxVersion {
		var one [1]byte
		if _, err := io.ReadFull(from, one[:]); err != nil {
			return line, err
		}
		if line = append(line, one[0]); one[0] == '\n' {
			return line, nil
		}
	}
	return line, errVersion
}

// readKexInit reads a first packet, which is not encrypted yet (RFC 4253,
// section 6), and returns all that it read. The message is nil where the packet is
// another one or makes no sense; x/crypto, which is given the same bytes, refuses that.
func readKexInit(from io.Reader) (raw []byte, message *kexInit) {
	raw = make([]byte, 5, 2048)
	if n, err := io.ReadFull(from, raw); err != nil {
		return raw[:n], nil
	}
	length, padding := binary.BigEndian.Uint32(raw), uint32(raw[4])
	if length > maxKexInit || length < padding+1 {
		return raw, nil
	}
	raw = append(raw, make([]byte, length-1)...)
	if n, err := io.ReadFull(from, raw[5:]); err != nil {
		return raw[:5+n], nil
	}
	message = &kexInit{}
	if err := ssh.Unmarshal(raw[5:uint32(len(raw))-padding], message); err != nil {
		return raw, nil
	}
	return raw, message
}
