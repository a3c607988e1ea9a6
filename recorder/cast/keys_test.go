package cast

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"
)

// identity is one of the identities in testdata/v1: 0 the session's, 1 the first, 2
// the second reviewer's.
func identity(n int) *age.X25519Identity { return testIdentities()[n] }

var testIdentities = sync.OnceValue(func() (all []*age.X25519Identity) {
	text, err := os.ReadFile(filepath.Join("testdata", "v1", "identities.txt"))
	if err != nil {
		panic(err)
	}
	parsed, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	for _, one := range parsed {
		all = append(all, one.(*age.X25519Identity))
	}
	return all
})

func recipients() Recipients {
	return Recipients{
		Session: []age.Recipient{identity(0).Recipient()},
		First:   []age.Recipient{identity(1).Recipient()},
		Second:  []age.Recipient{identity(2).Recipient()},
	}
}

// remembering opens each recording once: the tests read some thousands of times, and
// curves take their time under the race detector.
type remembering struct {
	Opener
	opened sync.Map
}

func (r *remembering) open(keys Keys) (session, input *secret, err error) {
	name := string(keys.Session) + string(keys.Input)
	if known, ok := r.opened.Load(name); ok {
		return known.([2]*secret)[0], known.([2]*secret)[1], nil
	}
	session, input, err = r.Opener.open(keys)
	if err == nil {
		r.opened.Store(name, [2]*secret{session, input})
	}
	return session, input, err
}

// everything opens both tracks of a test's recordings, playback the session's alone.
var (
	everything Opener = &remembering{Opener: With(identity(0), identity(1), identity(2))}
	playback   Opener = &remembering{Opener: With(identity(0))}
)

// Not parallel: it counts allocations.
func TestExpandIsHKDF(t *testing.T) {
	for _, length := range []int{1, 31, 32, 33, 63, 64} {
		for seed := range byte(5) {
			key := secret(bytes.Repeat([]byte{seed*50 + 1}, 32))
			key[3] = seed
			for _, info := range []string{"", segmentInfo, blockInfo, commitmentInfo} {
				want, err := hkdf.Expand(sha256.New, key[:], info, length)
				if err != nil {
					t.Fatal(err)
				}
				got := make([]byte, length)
				expand(&key, info, got)
				if !bytes.Equal(got, want) {
					t.Errorf("%d bytes for %q: %x, want %x", length, info, got, want)
				}
			}
		}
	}
	key, out := secret{1}, make([]byte, 64)
	if n := testing.AllocsPerRun(100, func() { expand(&key, blockInfo, out) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Who opens what: the input takes a first and a second reviewer, and whom the
// recording is not for has nothing of it.
func TestWhoOpensWhat(t *testing.T) {
	t.Parallel()
	data, seals := small(t, Options{SegmentBytes: 64})
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		open  Opener
		err   error
		input bool
	}{
		"playback":                     {With(identity(0)), nil, false},
		"playback and first reviewer":  {With(identity(0), identity(1)), nil, false},
		"playback and second reviewer": {With(identity(0), identity(2)), nil, false},
		"playback and both reviewers":  {With(stranger, identity(2), identity(1), identity(0)), nil, true},
		"both reviewers":               {With(identity(1), identity(2)), ErrNoKey, false},
		"three with a key each":        {Any(With(identity(0)), With(identity(1), identity(2))), nil, true},
		"playback and a stranger":      {Any(With(stranger), With(identity(0))), nil, false},
		"a stranger":                   {With(stranger), ErrNoKey, false},
		"nobody":                       {With(), ErrNoKey, false},
	} {
		r, err := NewReader(bytes.NewReader(data), c.open)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
		if c.err == nil && (!r.Opens(SessionTrack) || r.Opens(InputTrack) != c.input) {
			t.Errorf("%s opens session %v, input %v", name, r.Opens(SessionTrack), r.Opens(InputTrack))
		}
	}

	// What was revealed opens that recording in the same way, and no other.
	header, err := NewReader(bytes.NewReader(data), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, open := range []Opener{playback, everything} {
		revealed, err := Reveal(header.Header(), open)
		if err != nil {
			t.Fatal(err)
		}
		r, err := NewReader(bytes.NewReader(data), revealed)
		if err != nil || r.Opens(InputTrack) != (open == everything) {
			t.Errorf("revealed: %v", err)
		}
		if _, err := Verify(bytes.NewReader(recording(t, Output("x"))), nil, revealed); !errors.Is(err, ErrCorrupt) {
			t.Errorf("another's secrets: %v", err)
		}
		if err := Text(io.Discard, bytes.NewReader(data), revealed, ExportOptions{}); err != nil {
			t.Error(err)
		}
	}
	if _, err := NewReader(bytes.NewReader(data), Revealed{}); !errors.Is(err, ErrNoKey) {
		t.Errorf("nothing was revealed: %v", err)
	}
	if _, err := Reveal(header.Header(), With(stranger)); !errors.Is(err, ErrNoKey) {
		t.Errorf("to a stranger: %v", err)
	}

	// What of the input a session reader has: how many blocks it is.
	var output, input int
	r, err := NewReader(bytes.NewReader(data), playback)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		var e Event
		if e, err = r.Next(); err != nil {
			break
		}
		switch e.Body.(type) {
		case Output:
			output++
		case Input:
			input++
		}
	}
	if err != io.EOF || output != 4 || input != 0 || r.Closed(InputTrack) != 2 || r.Closed(SessionTrack) != 0 {
		t.Errorf("%d outputs, %d inputs, %d closed, %v", output, input, r.Closed(InputTrack), err)
	}
	var out bytes.Buffer
	if err := Text(&out, bytes.NewReader(data), playback, ExportOptions{Input: true}); !errors.Is(err, ErrNoKey) {
		t.Errorf("input that cannot be opened was exported: %v", err)
	}

	// Without a key: whole, altered or cut is known, and how it ended, nothing else.
	s, err := Verify(bytes.NewReader(data), seals, nil)
	if err != nil || s.End == nil || s.End.Reason != Revoked || s.Events != 1 || s.Closed != int64(len(script())-2) || s.ClosedInput != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := Text(&out, bytes.NewReader(data), nil, ExportOptions{}); !errors.Is(err, ErrNoKey) {
		t.Errorf("exported without a key: %v", err)
	}
}

// Nothing of what was recorded can be read in the file, nor how long an input was
// that came at once.
func TestNothingInTheClear(t *testing.T) {
	t.Parallel()
	sizes := map[int]bool{}
	for _, password := range []string{"p", "hunter2-hunter2", "correct horse battery staple\n"} {
		data := recording(t, ChannelOpen{Type: Exec, Command: "secret-command"}, Output("secret-output"), Input(password),
			Output(strings.Repeat("secret-bulk", 500)))
		if len(password) > 1 && bytes.Contains(data, []byte(password)) || bytes.Contains(data, []byte("secret-")) {
			t.Error("it can be read in the file")
		}
		sizes[len(data)] = true
	}
	if len(sizes) != 1 {
		t.Errorf("the size tells the length of the input: %v", sizes)
	}
}

// What the Writer holds gives no key that it has used.
func TestWriterCannotReadBack(t *testing.T) {
	t.Parallel()
	s := newSecrets()
	used := map[secret]bool{s.session: true, s.input: true}
	sealer := newSealer(s, noSalt{})
	for range 5 {
		for range 5 {
			before := *sealer.tracks[0]
			used[before.block] = true
			var key secret
			again := before
			again.nextBlock(&key)
			used[key] = true
			if _, _, _, err := sealer.appendEvent(nil, Event{Body: Output("x")}, []byte("x")); err != nil {
				t.Fatal(err)
			}
			for _, held := range sealer.tracks {
				if used[held.block] || used[held.chain] {
					t.Fatal("it holds what it used")
				}
			}
		}
		used[sealer.tracks[0].chain] = true
		sealer.nextSegment()
	}
}

func TestParseRecipients(t *testing.T) {
	t.Parallel()
	a, b, c := identity(0).Recipient().String(), identity(1).Recipient().String(), identity(2).Recipient().String()
	if to, err := ParseRecipients([]string{a, b}, []string{b}, []string{c}); err != nil || len(to.Session) != 2 || len(to.First) != 1 || len(to.Second) != 1 {
		t.Errorf("%v, %v", to, err)
	}
	for name, lists := range map[string][3][]string{
		"no recipient":            {nil, {b}, {c}},
		"no first":                {{a}, nil, {c}},
		"no second":               {{a}, {b}, nil},
		"one in both":             {{a}, {b, c}, {c}},
		"not a recipient":         {{"alice"}, {b}, {c}},
		"an empty one":            {{""}, {b}, {c}},
		"two in one":              {{a + "\n" + b}, {b}, {c}},
		"an identity":             {{identity(0).String()}, {b}, {c}},
		"an SSH key":              {{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ"}, {b}, {c}},
		"a plugin of some laptop": {{"age1yubikey1qwerty"}, {b}, {c}},
	} {
		if _, err := ParseRecipients(lists[0], lists[1], lists[2]); err == nil {
			t.Errorf("%s: it was taken", name)
		} else if strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
	}
	if _, err := NewWriter(io.Discard, header(), Recipients{}, Options{}); !errors.Is(err, ErrNoRecipients) {
		t.Errorf("a recording that nobody could open: %v", err)
	}
}
