package recordings

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"stint/recorder/cast"
	"stint/server/access"
)

func open(t *testing.T) (*Keeper, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "recordings")
	k, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k, dir
}

func TestAppend(t *testing.T) {
	t.Parallel()
	k, dir := open(t)
	if size, err := k.Append("session-1", 0, []byte("abc")); err != nil || size != 3 {
		t.Fatalf("%d, %v", size, err)
	}
	for _, offset := range []int64{0, 2, 4, 100} {
		if size, err := k.Append("session-1", offset, []byte("xyz")); !errors.Is(err, ErrOffset) || size != 3 {
			t.Errorf("at %d: %d, %v", offset, size, err)
		}
	}
	if size, err := k.Append("session-1", 3, []byte("def")); err != nil || size != 6 {
		t.Fatalf("%d, %v", size, err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "session-1.stint")); err != nil || string(text) != "abcdef" {
		t.Errorf("%q, %v", text, err)
	}
	if size, err := k.Held("session-1"); err != nil || size != 6 {
		t.Errorf("%d held, %v", size, err)
	}
	if size, err := k.Held("unknown"); err != nil || size != 0 {
		t.Errorf("%d held of nothing, %v", size, err)
	}
	if _, err := k.Read(t.Context(), "unknown"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading nothing: %v", err)
	}
	for _, name := range []string{"", ".", "..", "../x", "a/b", "a.stint", "a\x00", string(make([]byte, 65))} {
		if _, err := k.Append(name, 0, []byte("x")); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v", entries, err)
	}
}

// Of several that write at one offset, one wins.
func TestAppendRaces(t *testing.T) {
	t.Parallel()
	k, _ := open(t)
	var won sync.Map
	var writers sync.WaitGroup
	for i := range 20 {
		writers.Go(func() {
			if _, err := k.Append("s", 0, bytes.Repeat([]byte{byte(i)}, 1000)); err == nil {
				won.Store(i, true)
			} else if !errors.Is(err, ErrOffset) {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	winners := 0
	won.Range(func(any, any) bool { winners++; return true })
	if size, err := k.Size(access.Session{ID: "s"}); winners != 1 || size != 1000 || err != nil {
		t.Errorf("%d won and %d bytes are there, %v", winners, size, err)
	}
	if len(k.writing) != 0 {
		t.Errorf("%d turns are left", len(k.writing))
	}
}

// recorded is a small recording with its seals.
func recorded(t *testing.T, session string) ([]byte, []access.Seal) {
	t.Helper()
	var file bytes.Buffer
	var seals []access.Seal
	w, err := cast.NewWriter(&file, cast.Header{Session: session, Request: "req-1", Protocol: "ssh"}, cast.Options{OnSeal: func(s cast.Seal) {
		seals = append(seals, access.Seal{Sequence: int64(s.Sequence), Offset: s.End, Head: s.Head})
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []cast.Body{cast.ChannelOpen{Type: cast.Shell}, cast.Output("one\r\n"), cast.Input("two"), cast.Note("three")} {
		if err := w.Write(1, body); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Seal(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(cast.End{Reason: cast.Completed}); err != nil {
		t.Fatal(err)
	}
	return file.Bytes(), seals
}

func TestCheck(t *testing.T) {
	t.Parallel()
	file, seals := recorded(t, "session-1")
	other, _ := recorded(t, "session-2")
	ended := time.Unix(1e9, 0)
	flip := func(at int) []byte {
		altered := bytes.Clone(file)
		altered[at] ^= 1
		return altered
	}
	reseal := func(at int) []access.Seal {
		altered := append([]access.Seal(nil), seals...)
		altered[at].Head[0] ^= 1
		return altered
	}
	for name, c := range map[string]struct {
		file  []byte
		seals []access.Seal
		size  int64
		live  bool
		want  string
	}{
		"whole":                    {file, seals, int64(len(file)), false, Verified},
		"live":                     {file[:20], nil, 0, true, Live},
		"nothing came":             {nil, nil, 100, false, Cut},
		"half came":                {file[:len(file)/2], seals, int64(len(file)), false, Cut},
		"cut for good":             {file[:len(file)-3], seals[:len(seals)-1], 0, false, Cut},
		"sealed bytes lost":        {file[:len(file)-3], seals, int64(len(file) - 3), false, Broken},
		"header cut":               {file[:6], nil, 0, false, Cut},
		"last seals not reported":  {file, seals[:2], int64(len(file)), false, Cut},
		"no seals reported":        {file, []access.Seal{}, int64(len(file)), false, Cut},
		"a byte altered":           {flip(len(file) / 2), seals, int64(len(file)), false, Broken},
		"a byte altered, unsealed": {flip(len(file) / 2), seals[:1], int64(len(file)), false, Broken},
		"a seal altered":           {file, reseal(1), int64(len(file)), false, Broken},
		"a seal too many":          {file, append(append([]access.Seal(nil), seals...), access.Seal{Sequence: int64(len(seals) + 1), Offset: 1 << 20}), int64(len(file)), false, Broken},
		"a seal missing":           {file, append(append([]access.Seal(nil), seals[:1]...), seals[2:]...), int64(len(file)), false, Broken},
		"no recording":             {bytes.Repeat([]byte("x"), 200), seals, 200, false, Broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, _ := open(t)
			if c.file != nil {
				if _, err := k.Append("session-1", 0, c.file); err != nil {
					t.Fatal(err)
				}
			}
			session := access.Session{ID: "session-1", Request: "req-1", Size: c.size, Seals: int64(len(c.seals))}
			if !c.live {
				session.Ended = ended
			}
			loads := 0
			load := func() ([]access.Seal, error) { loads++; return c.seals, nil }
			for range 2 { // the second is remembered
				if got, err := k.Check(t.Context(), session, load, true); err != nil || got.Chain != c.want || (got.Detail == "") != (c.want == Verified || c.want == Live) {
					t.Errorf("found %+v, %v", got, err)
				}
			}
			if c.want == Verified && loads != 1 {
				t.Errorf("in brief the seals were read %d times", loads)
			}
		})
	}
	t.Run("another session's", func(t *testing.T) {
		t.Parallel()
		k, _ := open(t)
		if _, err := k.Append("session-1", 0, other); err != nil {
			t.Fatal(err)
		}
		_, theirs := recorded(t, "session-2")
		got, err := k.Check(t.Context(), access.Session{ID: "session-1", Request: "req-1", Ended: ended}, func() ([]access.Seal, error) { return theirs, nil }, false)
		if err != nil || got.Chain != Broken {
			t.Errorf("found %+v, %v", got, err)
		}
	})
}

func TestWriteEventsOfAnyPrefix(t *testing.T) {
	t.Parallel()
	file, _ := recorded(t, "session-1")
	var whole bytes.Buffer
	if err := WriteEvents(&whole, bytes.NewReader(file), true); err != nil {
		t.Fatal(err)
	}
	for n := range len(file) {
		var part bytes.Buffer
		if err := WriteEvents(&part, bytes.NewReader(file[:n]), true); err != nil {
			t.Fatalf("of %d bytes: %v", n, err)
		}
		if !bytes.HasPrefix(whole.Bytes(), part.Bytes()) {
			t.Fatalf("the events of %d bytes are not the beginning of all", n)
		}
	}
	file[len(file)/2] ^= 1
	if err := WriteEvents(io.Discard, bytes.NewReader(file), true); err == nil {
		t.Error("a damaged recording streams without an error")
	}
	head := whole.Bytes()
	if head[0] != kindHeader || binary.LittleEndian.Uint64(head[8:]) != 0 {
		t.Errorf("it begins with % x", head[:16])
	}
}
