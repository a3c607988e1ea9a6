package sshproxy

import (
	"bytes"
	"encoding/binary"
	"net"
	"reflect"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestClientThatHasGCMIsOfferedNothingElse(t *testing.T) {
	t.Parallel()
	if !fastGCM {
		if got := ciphersFor(&kexInit{}); got[0] != ssh.CipherChaCha20Poly1305 {
			t.Errorf("without instructions for AES: %q", got)
		}
		return
	}
	usual := []string{ssh.CipherChaCha20Poly1305, ssh.CipherAES128CTR, ssh.CipherAES256GCM, ssh.CipherAES128GCM}
	for name, test := range map[string]struct {
		client *kexInit
		want   []string
	}{
		"OpenSSH":               {&kexInit{CiphersFromClient: usual, CiphersToClient: usual}, gcm},
		"one of them":           {&kexInit{CiphersFromClient: usual[:3], CiphersToClient: usual[:3]}, []string{ssh.CipherAES256GCM}},
		"one way only":          {&kexInit{CiphersFromClient: usual, CiphersToClient: usual[:2]}, allCiphers()},
		"without":               {&kexInit{CiphersFromClient: usual[:2], CiphersToClient: usual[:2]}, allCiphers()},
		"nothing":               {&kexInit{}, allCiphers()},
		"that says it too late": {nil, allCiphers()},
	} {
		if got := ciphersFor(test.client); !slices.Equal(got, test.want) {
			t.Errorf("a client %s is offered %q", name, got)
		}
	}
}

// kexInitPacket is a first packet that carries a payload.
func kexInitPacket(payload []byte) []byte {
	padding := 8 - (5+len(payload))%8 + 8
	packet := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+padding))
	return append(append(append(packet, byte(padding)), payload...), make([]byte, padding)...)
}

func exampleKexInit() *kexInit {
	return &kexInit{
		Cookie: [16]byte{1, 2, 3}, KeyExchanges: []string{"a", "b"}, HostKeys: []string{"c"},
		CiphersFromClient: []string{"d", "e@f"}, CiphersToClient: []string{"g"}, Reserved: 7,
	}
}

func FuzzReadKexInit(f *testing.F) {
	f.Add(kexInitPacket(ssh.Marshal(exampleKexInit())))
	f.Fuzz(func(t *testing.T, said []byte) {
		from := bytes.NewReader(said)
		raw, message := readKexInit(from)
		// Whatever was read is what was said: x/crypto reads it again.
		if !bytes.Equal(raw, said[:len(said)-from.Len()]) {
			t.Fatalf("%x was read of %x", raw, said)
		}
		if message == nil {
			return
		}
		if len(raw) > 4+maxKexInit {
			t.Fatalf("a packet of %d bytes was read", len(raw))
		}
		_, again := readKexInit(bytes.NewReader(kexInitPacket(ssh.Marshal(message))))
		// Empty names are not told from none.
		if again == nil || !bytes.Equal(ssh.Marshal(again), ssh.Marshal(message)) {
			t.Fatalf("%+v became %+v", message, again)
		}
	})
}

// What a client says that it can do is known before x/crypto says what the proxy can
// do, and x/crypto hears it all the same: at once, byte by byte, or too late.
func TestGreeting(t *testing.T) {
	t.Parallel()
	const version = "SSH-2.0-Client\r\n"
	packet := kexInitPacket(ssh.Marshal(exampleKexInit()))
	more := []byte("and more")
	for name, test := range map[string]struct {
		patience time.Duration
		say      func(far net.Conn)
	}{
		"at once": {time.Minute, func(far net.Conn) {
			_, _ = far.Write(slices.Concat([]byte(version), packet, more))
		}},
		"byte by byte": {time.Minute, func(far net.Conn) {
			for _, b := range slices.Concat([]byte(version), packet, more) {
				_, _ = far.Write([]byte{b})
			}
		}},
		"after the proxy's": {time.Millisecond, func(far net.Conn) {
			_, _ = far.Write([]byte(version))
			heard := make([]byte, len(serverVersion)+2+len("offer"))
			for read := 0; read < len(heard); {
				n, err := far.Read(heard[read:])
				if read += n; err != nil {
					return
				}
			}
			_, _ = far.Write(slices.Concat(packet, more))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, far := streamPair(t, 1<<20)
			go test.say(far)
			message, err := s.greet(serverVersion, test.patience)
			if err != nil {
				t.Fatal(err)
			}
			if late := test.patience < time.Second; late != (message == nil) || !late && !reflect.DeepEqual(message.CiphersFromClient, exampleKexInit().CiphersFromClient) {
				t.Errorf("the client can do %+v", message)
			}
			// As x/crypto goes on.
			if _, err := s.Write([]byte(serverVersion + "\r\n")); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Write([]byte("offer")); err != nil {
				t.Fatal(err)
			}
			want := slices.Concat([]byte(version), packet, more)
			got := make([]byte, len(want))
			for read := 0; read < len(got); {
				n, err := s.Read(got[read:])
				if read += n; err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, want) {
				t.Errorf("it heard %q", got)
			}
		})
	}
}
