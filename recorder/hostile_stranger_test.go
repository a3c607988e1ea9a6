package recorder_test

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/recorder/recordertest"
)

const (
	messageIgnore  = 2
	messageKexInit = 20
)

// plainPacket is a packet before there are keys (RFC 4253, section 6).
func plainPacket(payload []byte) []byte {
	padding := 16 - (5+len(payload))%8
	packet := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+padding))
	return append(append(append(packet, byte(padding)), payload...), make([]byte, padding)...)
}

// ignorePacket carries so many bytes that mean nothing.
func ignorePacket(n int) []byte {
	return plainPacket(append([]byte{messageIgnore}, ssh.Marshal(struct{ Data []byte }{make([]byte, n)})...))
}

// kexInitPacket is what a client says that it can do, with the mark of the strict key
// exchange or without it.
func kexInitPacket(strict bool) []byte {
	exchanges := []string{"curve25519-sha256"}
	if strict {
		exchanges = append(exchanges, "kex-strict-c-v00@openssh.com")
	}
	ciphers, macs, none := []string{"chacha20-poly1305@openssh.com"}, []string{"hmac-sha2-256-etm@openssh.com"}, []string{"none"}
	return plainPacket(ssh.Marshal(struct {
		Type                     byte
		Cookie                   [16]byte
		KeyExchanges, HostKeys   []string
		Ciphers, CiphersToClient []string
		MACs, MACsToClient       []string
		Compress, CompressBack   []string
		Languages, LanguagesBack []string
		Follows                  bool
		Reserved                 uint32
	}{
		messageKexInit, [16]byte{}, exchanges, []string{"ssh-ed25519"},
		ciphers, ciphers, macs, macs, none, none, nil, nil, false, 0,
	}))
}

// dialRaw connects and says a version.
func (r *rig) dialRaw(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.Write([]byte("SSH-2.0-hostile\r\n")); err != nil {
		t.Fatal(err)
	}
	return conn
}

// saidUntilClosed is what a proxy says until it closes the connection.
func saidUntilClosed(t *testing.T, conn net.Conn) string {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	said, err := io.ReadAll(conn)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Fatal("the connection was not closed")
	}
	return string(said)
}

// Terrapin (CVE-2023-48795) puts a packet before the exchange of keys, to drop one
// after it. Under the strict exchange, no packet may be there.
func TestStrictKeyExchange(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	// It is the strictness that ends it: without, the exchange goes on, until the
	// client has no answer.
	for strict, want := range map[bool]string{true: "closed", false: "open"} {
		conn := r.dialRaw(t)
		if _, err := conn.Write(append(ignorePacket(8), kexInitPacket(strict)...)); err != nil {
			t.Fatal(err)
		}
		// The first packet of the exchange (SSH_MSG_KEX_ECDH_INIT, 30), with a point of our own.
		point := [32]byte{9}
		_, _ = conn.Write(plainPacket(append([]byte{30}, ssh.Marshal(struct{ Point []byte }{point[:]})...)))
		got := "open"
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if err := readPast(conn, 31); err != nil {
			got = "closed"
		}
		if got != want {
			t.Errorf("strict %v: the connection is %s", strict, got)
		}
	}
}

// readPast reads the version and packets until one of a type.
func readPast(conn net.Conn, kind byte) error {
	for one := (make([]byte, 1)); one[0] != '\n'; {
		if _, err := io.ReadFull(conn, one); err != nil {
			return err
		}
	}
	for {
		head := make([]byte, 6)
		if _, err := io.ReadFull(conn, head); err != nil {
			return err
		}
		if head[5] == kind {
			return nil
		}
		if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(head))-2); err != nil {
			return err
		}
	}
}

// Nobody talks for ever before there are keys.
func TestStrangerWhoFloodsIsHungUpOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for name, first := range map[string][]byte{
		"before the exchange":     nil,
		"after its first message": kexInitPacket(false),
	} {
		conn := r.dialRaw(t)
		_, _ = conn.Write(first)
		go func() {
			for packet := ignorePacket(1 << 10); ; {
				if _, err := conn.Write(packet); err != nil {
					return
				}
			}
		}()
		if said := saidUntilClosed(t, conn); !strings.HasPrefix(said, "SSH-2.0-Stint\r\n") {
			t.Errorf("%s: it said %.40q", name, said)
		}
	}
	for name, said := range map[string]string{
		"no end of a version": strings.Repeat("x", 1<<10),
		"a giant packet":      "SSH-2.0-x\r\n\x7f\xff\xff\xff\x04",
		"an empty packet":     "SSH-2.0-x\r\n\x00\x00\x00\x00\x00",
		"nothing but padding": "SSH-2.0-x\r\n\x00\x00\x00\x0c\xff" + strings.Repeat("x", 20),
	} {
		conn, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = conn.Write([]byte(said))
		if got := saidUntilClosed(t, conn); !strings.HasPrefix(got, "SSH-2.0-Stint\r\n") {
			t.Errorf("%s: it said %.40q", name, got)
		}
	}
}

// A handshake ends when its time is over, however its client stretches it: a byte now
// and then, or silence, outside and inside -J, where the one that does not hang up either
// loses the connection around it.
func TestHandshakeHasAnEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	identity := r.Signer.Identity(t, hour(grant))
	answering, err := r.client(t, "anybody", identity)
	if err != nil {
		t.Fatal(err)
	}
	deafen, deaf := r.deafClient(t, "anybody")
	for name, dial := range map[string]func() (net.Conn, error){
		"outside":      func() (net.Conn, error) { return net.Dial("tcp", r.address) },
		"inside":       func() (net.Conn, error) { return answering.Dial("tcp", "db1:22") },
		"inside, deaf": func() (net.Conn, error) { return deaf.Dial("tcp", "db1:22") },
	} {
		conn, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		if name == "inside, deaf" {
			deafen()
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range int(2 * patience / time.Second) {
				if _, err := conn.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
			t.Error("it goes on and on")
		})
	}
	t.Cleanup(func() {
		if _, err := answering.Dial("tcp", "db1:22"); err != nil {
			t.Errorf("one that answers lost the connection around it: %v", err)
		}
	})
}

// A client has a bounded number of tries.
func TestTriesAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	shown := make(map[int]bool)
	keys := ssh.PublicKeysCallback(func() (signers []ssh.Signer, _ error) {
		for i := range 64 {
			signers = append(signers, countedKey{recordertest.NewKey(t), func() { shown[i] = true }})
		}
		return signers, nil
	})
	_, err := ssh.Dial("tcp", r.address, &ssh.ClientConfig{User: "web@db1", Auth: []ssh.AuthMethod{keys}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: patience})
	if err == nil || len(shown) != 12 {
		t.Errorf("%d keys were shown: %v", len(shown), err)
	}
}

// countedKey tells that it is looked at.
type countedKey struct {
	ssh.Signer
	looked func()
}

func (k countedKey) PublicKey() ssh.PublicKey {
	k.looked()
	return k.Signer.PublicKey()
}
