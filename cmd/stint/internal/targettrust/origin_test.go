package targettrust

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/mod/sumdb/note"

	"stint/server/api"
	"stint/server/evidence"
	"stint/server/ledger"
)

// origin is a signer's log with its target CA, and a broker in front of it, as far
// as a target sees them. The document, the proofs and the statements are real.
type origin struct {
	t        testing.TB
	broker   *httptest.Server
	log      note.Signer
	verifier string

	mu          sync.Mutex
	now         time.Time
	hashes      []ledger.Hash
	size        int64
	keys        []evidence.TargetKey
	withdrawn   []string
	successions []evidence.SignedByKey
	private     map[string]ed25519.PrivateKey
	away        bool
	tamper      func(*evidence.TargetTrustEvidence) // what a hostile broker does to an answer
	hostKey     ssh.PublicKey                       // of the target that reports
	reported    []api.AcceptedSerial
	unknown     []uint64
}

// newOrigin begins a signer with one key that is current and one that is next.
func newOrigin(t testing.TB) *origin {
	t.Helper()
	o := &origin{t: t, now: time.Now().Truncate(time.Second), private: map[string]ed25519.PrivateKey{}}
	secret, verifier, err := ledger.NewKey(rand.Reader, "stint-signer/test/1")
	must(t, err)
	o.log, err = note.NewSigner(secret)
	must(t, err)
	o.verifier = verifier
	o.keys = []evidence.TargetKey{{State: evidence.KeyCurrent, Key: o.newKey()}}
	o.follow(o.current())
	o.append("begin")
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+api.PathTargetTrust, o.answer)
	mux.HandleFunc("POST "+api.PathAcceptedSerials, o.take)
	o.broker = httptest.NewServer(mux)
	t.Cleanup(o.broker.Close)
	return o
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (o *origin) newKey() string {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(o.t, err)
	key := evidence.FormatKey(private.Public().(ed25519.PublicKey))
	o.private[key] = private
	return key
}

// ca signs certificates with one of the keys.
func (o *origin) ca(key string) ssh.Signer {
	signer, err := ssh.NewSignerFromKey(o.private[key])
	must(o.t, err)
	return signer
}

func (o *origin) current() string { return o.in(evidence.KeyCurrent) }

// in is the key in a state.
func (o *origin) in(state string) string {
	i := slices.IndexFunc(o.keys, func(k evidence.TargetKey) bool { return k.State == state })
	if i < 0 {
		o.t.Fatalf("no key is %s", state)
	}
	return o.keys[i].Key
}

// append puts entries into the ledger.
func (o *origin) append(leaves ...string) {
	for _, leaf := range leaves {
		hashes, _, err := ledger.Append(o.size, []byte(leaf), o)
		must(o.t, err)
		o.hashes = append(o.hashes, hashes...)
		o.size++
	}
	o.now = o.now.Add(time.Second)
}

// ReadHashes is the ledger's store.
func (o *origin) ReadHashes(indexes []int64) (found []ledger.Hash, err error) {
	for _, i := range indexes {
		found = append(found, o.hashes[i])
	}
	return found, nil
}

// follow makes a key that is next, named by its predecessor.
func (o *origin) follow(predecessor string) {
	key := o.newKey()
	o.successions = append(o.successions, o.succession(predecessor, key))
	o.keys = append(o.keys, evidence.TargetKey{State: evidence.KeyNext, Key: key})
}

func (o *origin) succession(predecessor, key string) evidence.SignedByKey {
	var random [16]byte
	rand.Read(random[:])
	text, err := evidence.Encode(&evidence.Succession{
		Instance: "test", Purpose: evidence.PurposeTargetCA, Key: key, Predecessor: predecessor, Issued: o.now, Nonce: evidence.NewNonce(random),
	})
	must(o.t, err)
	return evidence.SignWithKey(text, o.private[predecessor])
}

// rotate retires the current key; forget takes away the retired ones.
func (o *origin) rotate() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.keys {
		o.keys[i].State = map[string]string{evidence.KeyCurrent: evidence.KeyRetired, evidence.KeyNext: evidence.KeyCurrent}[o.keys[i].State]
	}
	o.keys = slices.DeleteFunc(o.keys, func(k evidence.TargetKey) bool { return k.State == "" }) // those that were retired before
	o.follow(o.current())
	o.append("rotated")
}

// withdraw is rotation at once: the current key is accepted no longer.
func (o *origin) withdraw() (gone string) {
	gone = o.current()
	o.rotate()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keys = slices.DeleteFunc(o.keys, func(k evidence.TargetKey) bool { return k.Key == gone })
	o.withdrawn = append(o.withdrawn, gone)
	return gone
}

// evidence is the signer's answer to a target that has seen from entries.
func (o *origin) evidence(from int64) evidence.TargetTrustEvidence {
	root, err := ledger.Root(o.size, o)
	must(o.t, err)
	proof, err := ledger.ProveConsistency(min(from, o.size), o.size, o)
	must(o.t, err)
	text, err := evidence.SignTargetTrust(evidence.TargetTrust{
		Checkpoint: ledger.Checkpoint{Origin: o.log.Name(), Size: o.size, Root: root}, Issued: o.now, Keys: o.keys, Withdrawn: o.withdrawn,
	}, o.log)
	must(o.t, err)
	return evidence.TargetTrustEvidence{Note: text, Consistency: proof, Successions: slices.Clone(o.successions)}
}

func (o *origin) answer(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away {
		http.Error(w, "away", http.StatusBadGateway)
		return
	}
	from, err := strconv.ParseInt(r.URL.Query().Get("from"), 10, 64)
	if err != nil {
		http.Error(w, "from", http.StatusBadRequest)
		return
	}
	found := o.evidence(from)
	if o.tamper != nil {
		o.tamper(&found)
	}
	data, _ := json.Marshal(found)
	_ = json.NewEncoder(w).Encode(api.TargetTrust{Evidence: data})
}

// take is the broker's part of a report: the host key's signature counts.
func (o *origin) take(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var report api.AcceptedSerials
	var signature ssh.Signature
	err := json.NewDecoder(r.Body).Decode(&report)
	raw, decodeErr := base64.StdEncoding.DecodeString(report.Signature)
	if err == nil && decodeErr == nil {
		err = ssh.Unmarshal(raw, &signature)
	}
	if err == nil {
		err = o.hostKey.Verify(report.SigningText(), &signature)
	}
	if err != nil || report.Target != "db1" || len(report.Serials) == 0 || len(report.Serials) > api.MostAcceptedSerials {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(api.Error{Code: "serials.signature", Title: fmt.Sprintf("not signed by the target: %v", err)})
		return
	}
	o.reported = append(o.reported, report.Serials...)
	_ = json.NewEncoder(w).Encode(api.AcceptedSerialsResult{Known: len(report.Serials), Unknown: o.unknown})
}

// set changes the origin while its broker runs.
func (o *origin) set(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
}

func (o *origin) clock() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}

// fork is another history under the same log key, of the same size or longer.
func (o *origin) fork() *origin {
	other := newOrigin(o.t)
	other.log, other.verifier = o.log, o.verifier
	other.now = o.now
	for other.size < o.size {
		other.append("forked " + strconv.FormatInt(other.size, 10))
	}
	other.keys, other.withdrawn, other.successions, other.private = slices.Clone(o.keys), slices.Clone(o.withdrawn), slices.Clone(o.successions), o.private
	return other
}

// become puts another origin behind the same broker.
func (o *origin) become(other *origin) {
	o.log, o.verifier, o.now, o.hashes, o.size = other.log, other.verifier, other.now, other.hashes, other.size
	o.keys, o.withdrawn, o.successions, o.private = other.keys, other.withdrawn, other.successions, other.private
}

func (o *origin) pins() *State {
	pins, err := Pin(o.verifier, []string{o.current()})
	must(o.t, err)
	return &pins
}

// lines of a file, without comments.
func keyLines(text []byte) (found []string) {
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			found = append(found, line)
		}
	}
	return found
}
