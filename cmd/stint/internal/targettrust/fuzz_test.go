package targettrust

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"stint/server/evidence"
)

// FuzzLoad: a state that is read is written and read alike, and sshd's files can be
// made of it; each line of them holds one key.
func FuzzLoad(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "state.json")
		must(t, os.WriteFile(path, text, 0o600))
		state, err := Load(path)
		if err != nil {
			return
		}
		must(t, state.save(path))
		again, err := Load(path)
		must(t, err)
		first, err := json.Marshal(state)
		must(t, err)
		if second, err := json.Marshal(again); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%s, then %s, %v", first, second, err)
		}
		authorities, _, err := state.files()
		if err != nil {
			return // a key to revoke is none: sync says so, and writes nothing
		}
		for line := range strings.Lines(string(authorities)) {
			if _, err := evidence.ParseAuthorityKey(strings.TrimSuffix(line, "\n")); err != nil && !strings.HasPrefix(line, "#") {
				t.Fatalf("sshd would trust %q", line)
			}
		}
	})
}

// FuzzFollow: of all that a broker could hand over, only what the pinned log has
// signed counts; what is refused changes nothing. The log signs any lines here.
func FuzzFollow(f *testing.F) {
	o := newOrigin(f)
	start := *o.pins()
	o.rotate()
	honest := o.evidence(0)
	now := o.now.Add(time.Minute)
	data, err := json.Marshal(honest)
	must(f, err)
	f.Add(data, uint8(0))
	f.Add(data, uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, keep uint8) {
		var offered evidence.TargetTrustEvidence
		if json.Unmarshal(data, &offered) != nil {
			return
		}
		// Parts stay honest, so that the fuzzer gets past the signature.
		if keep&1 != 0 {
			offered.Note = honest.Note
		}
		if keep&2 != 0 {
			offered.Consistency = honest.Consistency
		}
		if keep&4 != 0 {
			offered.Successions = honest.Successions
		}
		before, err := json.Marshal(start)
		must(t, err)
		next, err := Follow(start, offered, now)
		if after, err := json.Marshal(start); err != nil || !bytes.Equal(before, after) {
			t.Fatalf("what was known became %s, %v", after, err)
		}
		if err != nil {
			if refused := (*RefusedError)(nil); !errors.As(err, &refused) || next.Note != "" {
				t.Fatalf("%v, and %+v", err, next)
			}
			return
		}
		if offered.Note != honest.Note || next.Note != honest.Note {
			t.Fatalf("%q counts", offered.Note)
		}
		for _, a := range next.Authorities {
			if _, known := o.private[a.Key]; !known {
				t.Fatalf("%q is trusted", a.Key)
			}
		}
	})
}

// FuzzKRL: a list of keys becomes a revocation list of exactly these keys, by the
// words of OpenSSH's PROTOCOL.krl, or is refused.
func FuzzKRL(f *testing.F) {
	f.Fuzz(func(t *testing.T, lines, comment string) {
		revoked := strings.Split(lines, "\n")
		list, err := KRL(1, time.Unix(1, 0), comment, revoked)
		if err != nil {
			return
		}
		rest := list[8+4+8+8+8:]
		text := func() (value []byte) {
			size := binary.BigEndian.Uint32(rest)
			value, rest = rest[4:4+size], rest[4+size:]
			return value
		}
		if reserved := text(); len(reserved) != 0 || string(text()) != comment || rest[0] != krlExplicitKeys {
			t.Fatalf("%q", list)
		}
		rest = rest[1:]
		section := text()
		if len(rest) != 0 {
			t.Fatalf("%q follows", rest)
		}
		rest = section
		var found []string
		for len(rest) > 0 {
			key, err := ssh.ParsePublicKey(text())
			must(t, err)
			found = append(found, string(key.Marshal()))
		}
		for _, line := range revoked {
			key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
			must(t, err)
			if !slices.Contains(found, string(key.Marshal())) {
				t.Fatalf("%q is not revoked", line)
			}
		}
		if len(found) > len(revoked) {
			t.Fatalf("%d keys are revoked by %q", len(found), lines)
		}
	})
}
