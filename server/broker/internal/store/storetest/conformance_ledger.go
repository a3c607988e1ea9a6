package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"stint/server/access"
	"stint/server/broker/internal/store"
	"stint/server/evidence/evidencetest"
	"stint/server/ledger"
)

// mirrors keeps a ledger in pages, and proves from what is stored.
func mirrors(t *testing.T, st *store.Store) {
	ctx := t.Context()
	_, err := st.MirroredLog(ctx, "stint-signer/a")
	wantError(t, access.ErrNoRow, err)
	_, err = st.NewestMirroredLog(ctx)
	wantError(t, access.ErrNoRow, err)
	other, err := st.BeginMirror(ctx, "stint-signer/other", "key of other")
	wantError(t, nil, err)
	log, err := st.BeginMirror(ctx, "stint-signer/a", "key")
	wantError(t, nil, err)
	again, err := st.BeginMirror(ctx, "stint-signer/a", "another key")
	wantError(t, nil, err)
	same(t, "begun twice", log, again)
	newest, err := st.NewestMirroredLog(ctx)
	wantError(t, nil, err)
	same(t, "newest", log, newest)

	var all []store.MirroredLeaf
	for page := range 4 {
		var leaves []store.MirroredLeaf
		for n := range 90 {
			number := int64(page*90 + n)
			leaf := store.MirroredLeaf{Number: number, Keys: number%100 == 7, Data: fmt.Appendf(nil, "leaf %d", number)}
			if number%90 == 3 {
				leaf.Request = "req-a"
			}
			leaves = append(leaves, leaf)
		}
		plan, err := st.PlanMirror(ctx, log, leaves)
		wantError(t, nil, err)
		before := log
		log, err = st.ExtendMirror(ctx, log, plan, fmt.Sprintf("checkpoint %d", page), "", start)
		wantError(t, nil, err)
		_, err = st.ExtendMirror(ctx, before, plan, "", "", start)
		wantError(t, access.ErrRaced, err)
		all = append(all, leaves...)
	}
	nothing, err := st.PlanMirror(ctx, log, nil)
	wantError(t, nil, err)
	log, err = st.ExtendMirror(ctx, log, nothing, "", "cosigned", start.Add(time.Minute))
	wantError(t, nil, err)
	stored, err := st.MirroredLog(ctx, "stint-signer/a")
	wantError(t, nil, err)
	same(t, "log", store.MirroredLog{ID: log.ID, Origin: "stint-signer/a", Key: "key", Size: 360, Checkpoint: "checkpoint 3", Cosigned: "cosigned", Fetched: start.Add(time.Minute)}, stored)
	_, err = st.PlanMirror(ctx, log, all[:1])
	if err == nil {
		t.Error("a leaf that does not follow was planned")
	}

	got, err := st.MirroredLeaves(ctx, log.ID, 355, 100)
	wantError(t, nil, err)
	same(t, "the last leaves", all[355:], got)
	got, err = st.KeysLeaves(ctx, log.ID, 8)
	wantError(t, nil, err)
	same(t, "leaves with keys", []store.MirroredLeaf{all[107], all[207], all[307]}, got)
	got, err = st.RequestLeaves(ctx, log.ID, "req-a", 4, 270, 100)
	wantError(t, nil, err)
	same(t, "leaves of a request", []store.MirroredLeaf{all[93], all[183]}, got)
	got, err = st.RequestLeaves(ctx, log.ID, "req-a", 0, 360, 1)
	wantError(t, nil, err)
	same(t, "first leaf of a request", all[3:4], got)
	proveFromMirror(t, st, log, nothing.Root)
	got, err = st.MirroredLeaves(ctx, other.ID, 0, 100)
	wantError(t, nil, err)
	same(t, "leaves of the other log", 0, len(got))

	proveByTiles(t, st, log, nothing.Root, all)
}

// proveFromMirror proves leaves in the tree that there is, and in an earlier one.
func proveFromMirror(t *testing.T, st *store.Store, log store.MirroredLog, root ledger.Hash) {
	t.Helper()
	proofs, err := st.ProveMirrored(t.Context(), log, 360, []int64{0, 93, 359})
	wantError(t, nil, err)
	checkpoint := ledger.Checkpoint{Origin: log.Origin, Size: 360, Root: root}
	for i, number := range []int64{0, 93, 359} {
		if err := proofs[i].Check(ledger.LeafHash(fmt.Appendf(nil, "leaf %d", number)), checkpoint); err != nil || proofs[i].Index != number {
			t.Errorf("leaf %d: %v", number, err)
		}
	}
	if proofs, err := st.ProveMirrored(t.Context(), log, 100, []int64{99}); err != nil || proofs[0].Size != 100 {
		t.Errorf("in an earlier tree: %v", err)
	}
	for _, beyond := range []int64{100, 360} {
		if _, err := st.ProveMirrored(t.Context(), log, beyond, []int64{beyond}); err == nil {
			t.Errorf("leaf %d of %d is proven", beyond, beyond)
		}
	}
	if _, err := st.ProveMirrored(t.Context(), log, 361, []int64{0}); err == nil {
		t.Error("a leaf is proven in a tree that there is not")
	}
	for _, from := range []int64{0, 1, 99, 256, 360} {
		before := ledger.Checkpoint{Origin: log.Origin, Size: from, Root: rootOf(t, from)}
		proof, err := st.ContinueMirrored(t.Context(), log, from, 360)
		wantError(t, nil, err)
		wantError(t, nil, proof.Check(before, checkpoint))
	}
	for _, c := range [][2]int64{{-1, 360}, {361, 360}, {0, 361}} {
		if _, err := st.ContinueMirrored(t.Context(), log, c[0], c[1]); err == nil {
			t.Errorf("that %d leaves continue %d is proven", c[1], c[0])
		}
	}
}

// rootOf is the root of the first leaves that mirrors writes.
func rootOf(t *testing.T, size int64) ledger.Hash {
	t.Helper()
	var stored []ledger.Hash
	reader := ledger.HashReaderFunc(func(indexes []int64) ([]ledger.Hash, error) {
		hashes := make([]ledger.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = stored[index]
		}
		return hashes, nil
	})
	for number := range size {
		hashes, _, err := ledger.Append(number, fmt.Appendf(nil, "leaf %d", number), reader)
		wantError(t, nil, err)
		stored = append(stored, hashes...)
	}
	root, err := ledger.Root(size, reader)
	wantError(t, nil, err)
	return root
}

// proveByTiles reads the mirror as a stranger's client does.
func proveByTiles(t *testing.T, st *store.Store, log store.MirroredLog, root ledger.Hash, leaves []store.MirroredLeaf) {
	t.Helper()
	reader := tlog.TileHashReader(tlog.Tree{N: log.Size, Hash: root}, tiles{t, st, log})
	for index := int64(0); index < log.Size; index += 50 {
		proof, err := tlog.ProveRecord(log.Size, index, reader)
		wantError(t, nil, err)
		wantError(t, nil, tlog.CheckRecord(proof, log.Size, root, index, ledger.LeafHash(leaves[index].Data)))
	}
	tile, err := ledger.ParseTile("0/001.p/200")
	wantError(t, nil, err)
	_, err = st.MirroredTile(t.Context(), log, tile)
	wantError(t, ledger.ErrTile, err)
}

type tiles struct {
	t   *testing.T
	st  *store.Store
	log store.MirroredLog
}

// Height is that of C2SP tlog-tiles.
func (tiles) Height() int { return 8 }

// SaveTiles keeps nothing.
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles reads them from the store.
func (r tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(wanted))
	for i, w := range wanted {
		tile, err := ledger.ParseTile(w.Path()[len("tile/8/"):])
		if err == nil {
			data[i], err = r.st.MirroredTile(r.t.Context(), r.log, tile)
		}
		if err != nil {
			return nil, err
		}
	}
	return data, nil
}

func monitored(t *testing.T, st *store.Store) {
	ctx := t.Context()
	for _, step := range []struct{ set, want int64 }{{0, 0}, {7, 7}, {3, 7}, {9, 9}} {
		wantError(t, nil, st.SetPosition(ctx, "sessions", step.set))
		position, err := st.Position(ctx, "sessions")
		wantError(t, nil, err)
		same(t, "position", step.want, position)
	}
	position, err := st.Position(ctx, "never")
	wantError(t, nil, err)
	same(t, "no position", 0, position)

	has, err := st.HasCertificates(ctx)
	wantError(t, nil, err)
	same(t, "certificates", false, has)
	write(t, st, func(tx access.Tx) error {
		q := sample(1)
		return errors.Join(tx.AddRequest(q),
			tx.AddCertificate(access.Certificate{Serial: 5, Request: q.ID, Certificate: "first", Issued: start}),
			tx.AddCertificate(access.Certificate{Serial: 1<<64 - 1, Request: q.ID, Certificate: "second", Issued: start.Add(time.Minute)}),
			tx.AddSession(access.Session{ID: "s1", Number: 4, Request: q.ID, Serial: 5, Started: start}),
			tx.AddSession(access.Session{ID: "s2", Number: 9, Request: q.ID, Serial: 5, Started: start}))
	})
	has, err = st.HasCertificates(ctx)
	wantError(t, nil, err)
	same(t, "certificates", true, has)
	since, err := st.CertificatesSince(ctx, start.Add(time.Second), 10)
	wantError(t, nil, err)
	if len(since) != 1 || since[0].Serial != 1<<64-1 || since[0].Certificate != "second" {
		t.Errorf("certificates since: %+v", since)
	}
	sessions, err := st.SessionsFrom(ctx, 5, 10)
	wantError(t, nil, err)
	if len(sessions) != 1 || sessions[0].ID != "s2" {
		t.Errorf("sessions from: %+v", sessions)
	}
}

func alarms(t *testing.T, st *store.Store) {
	alarm := func(number int64) access.Alarm {
		return access.Alarm{
			ID: fmt.Sprintf("alm-%d", number), Number: number, Kind: access.AlarmCertificate, Cause: fmt.Sprintf("cause %d", number),
			Title: "A certificate.", Request: "req-1", Session: "ses-1", Detail: "entry 7", Raised: start,
		}
	}
	for number := range int64(5) {
		write(t, st, func(tx access.Tx) error { return tx.AddAlarm(alarm(number + 1)) })
	}
	twin := alarm(9)
	twin.Cause = "cause 3"
	wantError(t, access.ErrRowExists, st.Write(t.Context(), func(tx access.Tx) error { return tx.AddAlarm(twin) }))
	same(t, "by cause", alarm(3), read(t, st, func(r access.Reader) (access.Alarm, error) { return r.AlarmOf("cause 3") }))
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error { _, err := r.Alarm("alm-9"); return err }))

	seen := alarm(4)
	seen.Acknowledged, seen.By, seen.Reason = start.Add(time.Hour), evidencetest.Person("dana"), "the drill"
	write(t, st, func(tx access.Tx) error { return tx.AcknowledgeAlarm(seen) })
	wantError(t, access.ErrRaced, st.Write(t.Context(), func(tx access.Tx) error { return tx.AcknowledgeAlarm(seen) }))
	same(t, "acknowledged", seen, read(t, st, func(r access.Reader) (access.Alarm, error) { return r.Alarm("alm-4") }))
	same(t, "open", 4, read(t, st, func(r access.Reader) (int, error) { return r.OpenAlarms("") }))
	same(t, "open of a kind", 4, read(t, st, func(r access.Reader) (int, error) { return r.OpenAlarms(alarm(1).Kind) }))
	same(t, "open of another", 0, read(t, st, func(r access.Reader) (int, error) { return r.OpenAlarms(access.AlarmMore) }))
	same(t, "a page of those open", []access.Alarm{alarm(3), alarm(2)},
		read(t, st, func(r access.Reader) ([]access.Alarm, error) { return r.Alarms(true, 5, 2) }))
	same(t, "all", 5, len(read(t, st, func(r access.Reader) ([]access.Alarm, error) { return r.Alarms(false, 0, 50) })))
}

// alarmFlow raises, shows and acknowledges through the flow.
func alarmFlow(t *testing.T, h *House) {
	ctx := t.Context()
	found := access.Alarm{Kind: access.AlarmForked, Cause: "fork at 9", Title: "The ledger was forked.", Detail: "checkpoints"}
	for i := range 3 {
		news, err := h.RaiseAlarm(ctx, found)
		wantError(t, nil, err)
		same(t, "news", i == 0, news)
	}
	for name, wrong := range map[string]access.Alarm{"no kind": {Cause: "c", Title: "t"}, "no cause": {Kind: found.Kind, Title: "t"}, "no title": {Kind: found.Kind, Cause: "c"}} {
		if _, err := h.RaiseAlarm(ctx, wrong); err == nil {
			t.Errorf("%s: raised", name)
		}
	}
	listed, open, next, err := h.Service.Alarms(ctx, h.World.Dana.Person, true, 0, 10)
	wantError(t, nil, err)
	if len(listed) != 1 || open != 1 || next != 0 || listed[0].Title != found.Title || listed[0].Raised.IsZero() {
		t.Fatalf("%+v, %d open, next %d", listed, open, next)
	}
	if means, steps := listed[0].Advice(); means == "" || len(steps) == 0 {
		t.Error("the alarm says nothing to do")
	}
	if _, _, _, err := h.Service.Alarms(ctx, h.World.Alice, true, 0, 10); !access.IsCode(err, access.CodeForbidden) {
		t.Errorf("alice sees alarms: %v", err)
	}
	for name, c := range map[string]struct {
		by   func() error
		code string
	}{
		"by alice":       {func() error { _, err := h.AcknowledgeAlarm(ctx, h.World.Alice, listed[0].ID, "fine"); return err }, access.CodeForbidden},
		"without reason": {func() error { _, err := h.AcknowledgeAlarm(ctx, h.Dave(), listed[0].ID, " "); return err }, access.CodeInvalid},
		"of none":        {func() error { _, err := h.AcknowledgeAlarm(ctx, h.Dave(), "alm-x", "fine"); return err }, access.CodeAlarmNotFound},
	} {
		if err := c.by(); !access.IsCode(err, c.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
	seen, err := h.AcknowledgeAlarm(ctx, h.Dave(), listed[0].ID, "It was the drill.")
	wantError(t, nil, err)
	same(t, "who", h.Dave().Name, seen.By.Name)
	if _, err := h.AcknowledgeAlarm(ctx, h.Dave(), listed[0].ID, "Again."); !access.IsCode(err, access.CodeAlarmAcknowledged) {
		t.Errorf("twice: %v", err)
	}
	news, err := h.RaiseAlarm(ctx, found)
	wantError(t, nil, err)
	same(t, "the same cause, once acknowledged", false, news)
	// Whoever can make up findings of one kind crowds out no other, and not unseen.
	for i := range 105 {
		_, err := h.RaiseAlarm(ctx, access.Alarm{Kind: access.AlarmSerial, Cause: fmt.Sprint("made up ", i), Title: "Made up."})
		wantError(t, nil, err)
	}
	news, err = h.RaiseAlarm(ctx, access.Alarm{Kind: access.AlarmCertificate, Cause: "real", Title: "A real one."})
	wantError(t, nil, err)
	same(t, "a real one is news", true, news)
	listed, open, _, err = h.Service.Alarms(ctx, h.Dave(), true, 0, 2)
	wantError(t, nil, err)
	same(t, "open", 102, open)
	if listed[0].Kind != access.AlarmCertificate || listed[1].Kind != access.AlarmMore {
		t.Errorf("%+v", listed)
	}
}
