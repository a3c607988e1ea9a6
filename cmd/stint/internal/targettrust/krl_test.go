package targettrust

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// newCA makes an authority from a fixed seed.
func newCA(t testing.TB, seed byte) (ssh.Signer, string) {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return signer, string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

// The empty list, byte for byte as OpenSSH's PROTOCOL.krl lays it out.
func TestKRLEmpty(t *testing.T) {
	t.Parallel()
	got, err := KRL(0, time.Unix(0, 0), "stint", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := append([]byte("SSHKRL\n\x00\x00\x00\x00\x01"), make([]byte, 8+8+8+4)...)
	want = append(want, "\x00\x00\x00\x05stint"...)
	if !bytes.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestKRLNamesKeys(t *testing.T) {
	t.Parallel()
	a, first := newCA(t, 1)
	b, second := newCA(t, 2)
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	got, err := KRL(7, at, "", []string{second, first, second})
	if err != nil {
		t.Fatal(err)
	}
	again, err := KRL(7, at, "", []string{first, second})
	if err != nil || !bytes.Equal(got, again) {
		t.Errorf("the order of the arguments shows: %v", err)
	}
	if version := binary.BigEndian.Uint64(got[12:]); version != 7 {
		t.Errorf("version %d", version)
	}
	if made := binary.BigEndian.Uint64(got[20:]); made != uint64(at.Unix()) {
		t.Errorf("generated %d", made)
	}
	section := got[44:]
	if section[0] != 2 || int(binary.BigEndian.Uint32(section[1:])) != len(section)-5 {
		t.Fatalf("section %x", section)
	}
	for _, key := range []ssh.PublicKey{a.PublicKey(), b.PublicKey()} {
		if bytes.Count(section, key.Marshal()) != 1 {
			t.Errorf("key %s stands there %d times", ssh.FingerprintSHA256(key), bytes.Count(section, key.Marshal()))
		}
	}
	for _, bad := range []string{"", "ssh-ed25519 AAAA", first + "\n" + second} {
		if _, err := KRL(1, at, "", []string{bad}); err == nil {
			t.Errorf("%q was revoked", bad)
		}
	}
}
