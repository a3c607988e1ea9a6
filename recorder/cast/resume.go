package cast

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// File is what [Resume] repairs; *os.File, opened for reading and writing.
type File interface {
	io.ReadWriteSeeker
	Truncate(size int64) error
	Sync() error
}

// Resume finishes the recording of a proxy that died: it removes a torn tail,
// appends the end that is given (its reason is usually [Cut]) with how much was
// removed and when, seals and syncs. It needs no key. It returns all seals of the
// file. Resume may itself be interrupted and called again; on a finished recording
// it only returns the seals.
//
// known are the seals that were handed to OnSeal, in order from the first. What
// they cover was durable before, so if it does not read back as they say, the file
// was altered and not torn: Resume then returns [ErrCorrupt] and changes nothing.
// Without a whole header there is nothing to finish: [ErrCut].
func Resume(f File, known []Seal, end End, now time.Time) ([]Seal, error) {
	if err := end.check(); err != nil {
		return nil, fmt.Errorf("finishing a recording: %w", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("finishing a recording: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("finishing a recording: %w", err)
	}
	// 1. Read up to the first record that is not whole, or to the end.
	r, err := NewReader(f, nil)
	if err != nil {
		return nil, err
	}
	for err == nil {
		_, err = r.Next()
	}
	torn := errors.Is(err, ErrCut) || errors.Is(err, ErrCorrupt)
	if !torn && err != io.EOF {
		return nil, err
	}
	// 2. What was promised to the ledger must be there: a crash cannot lose it.
	if err := agree(r, known); err != nil {
		return nil, err
	}
	if err == io.EOF {
		// The process may have died between the last write and its sync.
		return r.seals, f.Sync()
	}
	// 3. Drop the torn tail before anything is written behind it.
	if err := f.Truncate(r.good); err != nil {
		return nil, fmt.Errorf("removing the torn end of a recording: %w", err)
	}
	if _, err := f.Seek(r.good, io.SeekStart); err != nil {
		return nil, fmt.Errorf("finishing a recording: %w", err)
	}
	// 4. End it, say so, seal it. The times are unknown: the clock of the dead process
	// is gone, and those in its blocks are encrypted.
	var tail []byte
	if !r.ended {
		var in []byte
		end.Removed = size - r.good
		end.Detail = strings.TrimPrefix(end.Detail+"; the recording was finished at "+now.UTC().Format(time.RFC3339), "; ")
		tail, in = appendEnd(nil, Unknown, end.fitting())
		r.chain.add(in)
	}
	if r.chain.segment != nil {
		s := r.chain.seal(Unknown, Unknown)
		tail = appendSeal(tail, s)
		s.End = r.good + int64(len(tail))
		r.seals = append(r.seals, s)
	}
	if n, err := f.Write(tail); err != nil || n != len(tail) {
		return nil, fmt.Errorf("finishing a recording: %w", errors.Join(err, shortWrite(n, len(tail))))
	}
	if err := f.Sync(); err != nil {
		return nil, fmt.Errorf("finishing a recording: %w", err)
	}
	return r.seals, nil
}

func shortWrite(n, want int) error {
	if n == want {
		return nil
	}
	return io.ErrShortWrite
}

// agree compares the seals that a Reader has read with those that were promised.
func agree(r *Reader, promised []Seal) error {
	for i, want := range promised {
		if want.Sequence != uint64(i+1) {
			return fmt.Errorf("seal %d has the number %d: they must come in order from the first", i+1, want.Sequence)
		}
		if i >= len(r.seals) {
			return &Break{Segment: want.Sequence, Offset: r.good, Err: ErrCorrupt,
				Why: fmt.Sprintf("%d segments were sealed and only %d can be read", len(promised), len(r.seals))}
		}
		if r.seals[i].Head != want.Head {
			return notAsSealed(want.Sequence, start(r.seals, i))
		}
	}
	return nil
}

func notAsSealed(segment uint64, offset int64) error {
	return &Break{Segment: segment, Offset: offset, Err: ErrCorrupt,
		Why: "it is not the segment that was sealed: it, or something before it, was replaced"}
}

// start is where a segment begins, the header counting as part of the first.
func start(seals []Seal, i int) int64 {
	if i == 0 {
		return 0
	}
	return seals[i-1].End
}
