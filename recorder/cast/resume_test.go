package cast

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// memoryFile is a File; thousands of real ones would sync for minutes.
type memoryFile struct {
	data  []byte
	at    int64
	syncs int
}

func (f *memoryFile) Read(p []byte) (int, error) {
	if f.at >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.data[f.at:])
	f.at += int64(n)
	return n, nil
}

func (f *memoryFile) Write(p []byte) (int, error) {
	f.data = append(f.data[:f.at], p...)
	f.at = int64(len(f.data))
	return len(p), nil
}

func (f *memoryFile) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		offset += int64(len(f.data))
	}
	f.at = offset
	return offset, nil
}

func (f *memoryFile) Truncate(size int64) error {
	f.data = f.data[:size]
	return nil
}

func (f *memoryFile) Sync() error {
	f.syncs++
	return nil
}

func fileOf(data []byte) *memoryFile {
	return &memoryFile{data: bytes.Clone(data)}
}

func contents(t testing.TB, f *memoryFile) []byte {
	t.Helper()
	if f.syncs == 0 {
		t.Error("the file was not synced")
	}
	return f.data
}

var cutAt = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// A recording torn anywhere is finished: what was whole stays, and it verifies.
func TestResumeAnywhere(t *testing.T) {
	t.Parallel()
	data, seals := small(t, Options{SegmentBytes: 200})
	for _, size := range append(places(data), len(data)) {
		before, reader, _ := readAll(bytes.NewReader(data[:size]))
		f := fileOf(data[:size])
		var known []Seal
		if reader != nil {
			known = reader.Seals()
		}
		got, err := Resume(f, known, End{Reason: Cut}, cutAt)
		if reader == nil {
			if !errors.Is(err, ErrCut) {
				t.Fatalf("torn at %d: %v", size, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("torn at %d: %v", size, err)
		}
		after, _, err := readAll(bytes.NewReader(contents(t, f)))
		if err != io.EOF {
			t.Fatalf("torn at %d, finished: %v", size, err)
		}
		if last := after[len(after)-1].Body.(End); len(after) > len(before) && last.Reason != Cut {
			t.Fatalf("torn at %d: ended by %v", size, last)
		}
		if len(after) != len(before) && len(after) != len(before)+1 {
			t.Fatalf("torn at %d: %d events became %d", size, len(before), len(after))
		}
		summary, err := Verify(bytes.NewReader(contents(t, f)), got, everything)
		if err != nil || summary.End == nil {
			t.Fatalf("torn at %d: %v", size, err)
		}
		if size == len(data) && !bytes.Equal(contents(t, f), data) {
			t.Fatal("a finished recording was changed")
		}
		finished := contents(t, f)
		again, err := Resume(f, got, End{Reason: Cut}, cutAt)
		if err != nil || len(again) != len(got) || !bytes.Equal(finished, contents(t, f)) {
			t.Fatalf("torn at %d: resumed twice: %v", size, err)
		}
		if size < len(data) && size > int(seals[0].End) {
			// A crash of Resume itself, anywhere.
			torn := fileOf(finished[:len(finished)-7])
			if _, err := Resume(torn, known, End{Reason: Cut}, cutAt); err != nil {
				t.Fatalf("torn at %d, resumed halfway: %v", size, err)
			}
		}
	}
}

// A lost page shows as damage in what was not synced: it is removed. Damage in what
// was sealed and announced is not a crash: nothing is touched.
func TestResumeDamage(t *testing.T) {
	t.Parallel()
	data, seals := small(t, Options{SegmentBytes: 200})
	for _, at := range []int64{seals[0].End - 100, seals[1].End - 100} {
		bad := bytes.Clone(data)
		bad[at] ^= 1
		segment := 0
		for seals[segment].End <= at {
			segment++
		}
		f := fileOf(bad)
		if _, err := Resume(f, seals[:segment+1], End{Reason: Cut}, cutAt); !errors.Is(err, ErrCorrupt) {
			t.Errorf("damage in segment %d, which was announced: %v", segment+1, err)
		}
		if !bytes.Equal(f.data, bad) {
			t.Error("an altered recording was changed")
		}
		got, err := Resume(f, seals[:segment], End{Reason: Cut}, cutAt)
		if err != nil {
			t.Errorf("damage in segment %d, which was not announced: %v", segment+1, err)
		}
		if _, err := Verify(bytes.NewReader(contents(t, f)), got, everything); err != nil {
			t.Error(err)
		}
		events, _, _ := readAll(bytes.NewReader(contents(t, f)))
		end := events[len(events)-1].Body.(End)
		if !strings.Contains(end.Detail, "2026-03-01T10:00:00Z") || end.Removed == 0 {
			t.Errorf("end: %+v", end)
		}
	}
	// The same, with a file: what a proxy does at its start.
	path := filepath.Join(t.TempDir(), "s"+Extension)
	if err := os.WriteFile(path, data[:len(data)-100], 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := Resume(f, nil, End{Reason: Cut}, cutAt)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(f, got, everything); err != nil {
		t.Error(err)
	}
	other, _ := small(t, Options{SegmentBytes: 150})
	if _, err := Resume(fileOf(other), seals, End{Reason: Cut}, cutAt); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another recording: %v", err)
	}
	if _, err := Resume(fileOf(data), seals, End{}, cutAt); err == nil {
		t.Error("an end without reason")
	}
}
