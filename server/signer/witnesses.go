package signer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"stint/server/ledger"
)

const (
	witnessTimeout  = 5 * time.Second // one witness, one checkpoint
	witnessEvery    = time.Second     // checkpoints between are left out
	witnessRetry    = 2 * time.Second // while no witness has answered since the start
	maxWitnessWords = 16 << 10        // bytes of an answer
)

// WitnessConfig is a witness that cosigns the ledger's checkpoints (C2SP
// tlog-witness).
type WitnessConfig struct {
	Name string `json:"name"` // for people
	URL  string `json:"url"`  // the submission prefix
	Key  string `json:"key"`  // cosignature/v1 verifier key
}

// cosigner is a witness that is asked. It is used by one round at a time.
type cosigner struct {
	name     string
	address  string
	verifier note.Verifier
	seen     int64 // entries that it is known to have seen
	trouble  string
}

func newWitnesses(configs []WitnessConfig) ([]*cosigner, error) {
	var all []*cosigner
	for _, c := range configs {
		verifier, err := ledger.NewWitnessVerifier(c.Key)
		if err != nil {
			return nil, fmt.Errorf("the witness %s: %w", c.Name, err)
		}
		all = append(all, &cosigner{name: c.Name, address: strings.TrimSuffix(c.URL, "/") + "/add-checkpoint", verifier: verifier})
	}
	return all, nil
}

// checkWitnesses refuses what could only go wrong later.
func (c *Config) checkWitnesses() (faults []error) {
	names := map[string]bool{}
	for i, w := range c.Witnesses {
		if !namePattern.MatchString(w.Name) || names[w.Name] {
			faults = append(faults, fmt.Errorf("witnesses[%d].name: %q is not a name, or another witness's", i, w.Name))
		}
		names[w.Name] = true
		if u, err := url.Parse(w.URL); err != nil || checkURL(w.URL) != nil || u.Host == "" {
			faults = append(faults, fmt.Errorf("witnesses[%d].url: %q is not https; plain http is for this machine only", i, w.URL))
		}
		if _, err := ledger.NewWitnessVerifier(w.Key); err != nil {
			faults = append(faults, fmt.Errorf("witnesses[%d].key: %w", i, err))
		}
	}
	return faults
}

// keepWitnesses submits the newest checkpoint to every witness, over and over,
// and never holds up a signature. The first round in which one answers confirms
// the ledger. A witness that has seen more than the ledger holds, or other
// entries, ends the signer whenever it says so: its word can stop what is given,
// and never give.
func (s *signer) keepWitnesses(ctx context.Context) {
	client := &http.Client{
		Timeout:       witnessTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	for {
		advanced := s.book.journal.Advanced()
		answered, err := s.witnessRound(ctx, client)
		if err != nil {
			s.doubt(err)
			return
		}
		if ctx.Err() != nil {
			return
		}
		switch {
		case answered > 0:
			s.book.standing.confirm()
		case !s.book.standing.isConfirmed():
			s.log.Warn("no witness answers; the signer gives nothing until one does")
		}
		if answered == len(s.witnesses) {
			select {
			case <-advanced:
			case <-ctx.Done():
				return
			}
			if !sleep(ctx, witnessEvery) {
				return
			}
		} else if !sleep(ctx, witnessRetry) {
			return
		}
	}
}

// witnessRound submits one checkpoint to all and keeps what they cosign. The
// error is that the ledger was rolled back.
func (s *signer) witnessRound(ctx context.Context, client *http.Client) (answered int, err error) {
	checkpoint, size := s.book.journal.Checkpoint()
	lines := make([][]byte, len(s.witnesses))
	faults := make([]error, len(s.witnesses))
	var asking sync.WaitGroup
	for i, w := range s.witnesses {
		asking.Go(func() { lines[i], faults[i] = s.submit(ctx, client, w, checkpoint, size) })
	}
	asking.Wait()
	cosigned := checkpoint
	for i, w := range s.witnesses {
		if _, rolledBack := faults[i].(*rolledBackError); rolledBack {
			return 0, faults[i]
		}
		if faults[i] != nil {
			w.troubled(ctx, s.log, faults[i])
			continue
		}
		with, err := ledger.WithCosignatures(cosigned, lines[i], s.ring.Verifier(), w.verifier)
		if err != nil {
			w.troubled(ctx, s.log, err)
			continue
		}
		cosigned, w.trouble = with, ""
		answered++
	}
	if answered > 0 {
		s.mu.Lock()
		s.cosigned = string(cosigned)
		s.mu.Unlock()
	}
	return answered, nil
}

// troubled tells the log once what a witness does not do.
func (w *cosigner) troubled(ctx context.Context, log *slog.Logger, err error) {
	if ctx.Err() != nil || w.trouble == err.Error() {
		return
	}
	w.trouble = err.Error()
	log.Warn("a witness does not cosign", "witness", w.name, "error", err)
}

// submit brings a checkpoint to one witness and returns its signature lines.
func (s *signer) submit(ctx context.Context, client *http.Client, w *cosigner, checkpoint []byte, size int64) ([]byte, error) {
	// The first try is a guess at what the witness has; its answer corrects it.
	for range 2 {
		proof, err := s.book.journal.Consistency(min(w.seen, size), size)
		if err != nil {
			return nil, err
		}
		status, kind, answer, err := post(ctx, client, w.address, ledger.Submission{Old: proof.From, Proof: proof.Path, Checkpoint: checkpoint}.Encode())
		if err != nil {
			return nil, err
		}
		switch {
		case status == http.StatusOK:
			w.seen = size
			return answer, nil
		case status == http.StatusConflict && kind == ledger.SizeType:
			seen, err := strconv.ParseInt(strings.TrimSuffix(string(answer), "\n"), 10, 64)
			if err != nil || seen < 0 {
				return nil, fmt.Errorf("it answers with a size that is none: %.40q", answer)
			}
			if seen > size {
				return nil, shorter("the witness "+w.name, seen, size)
			}
			if seen == proof.From {
				// It has as many as was said, and still objects.
				return nil, other("the witness "+w.name, seen)
			}
			w.seen = seen
		case status == http.StatusConflict, status == http.StatusUnprocessableEntity:
			return nil, other("the witness "+w.name, proof.From)
		default:
			return nil, fmt.Errorf("it answers %d: %.200q", status, answer)
		}
	}
	return nil, fmt.Errorf("it answered with two different sizes")
}

func post(ctx context.Context, client *http.Client, address string, body []byte) (status int, kind string, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, "", nil, err
	}
	request.Header.Set("Content-Type", "text/plain; charset=utf-8")
	response, err := client.Do(request)
	if err != nil {
		return 0, "", nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxWitnessWords))
	return response.StatusCode, response.Header.Get("Content-Type"), answer, err
}

// newestCosigned is the newest checkpoint that a witness has cosigned, or empty.
func (s *signer) newestCosigned() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cosigned
}
