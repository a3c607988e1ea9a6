package mirror_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"stint/server/access"
	"stint/server/broker/internal/mirror"
	"stint/server/broker/internal/mirror/mirrortest"
	"stint/server/broker/internal/store"
	"stint/server/ledger"
)

// alarms keeps what was raised.
type alarms struct {
	mu    sync.Mutex
	kinds []string
}

// RaiseAlarm keeps the kind.
func (a *alarms) RaiseAlarm(_ context.Context, alarm access.Alarm) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kinds = append(a.kinds, alarm.Kind)
	return true, nil
}

func (a *alarms) raised() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.kinds, " ")
}

func newMirror(t testing.TB, st *store.Store, signer mirror.Signer) (*mirror.Mirror, *alarms) {
	t.Helper()
	raised := &alarms{}
	m, err := mirror.New(mirror.Config{Signer: signer, Store: st, Alarms: raised, Now: func() time.Time { return time.Date(2026, 3, 4, 9, 0, 0, 0, time.UTC) }, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	return m, raised
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func add(s *mirrortest.Signer, count int) {
	for range count {
		s.Add(fmt.Sprintf(`{"leaf":%d}`, s.Size()))
	}
}

func TestTheMirrorFollows(t *testing.T) {
	t.Parallel()
	st, signer := mirrortest.OpenStore(t), mirrortest.New(t, "stint-signer/a")
	signer.PageLength = 7 // several pages a fetch, each with a proof of its own
	m, raised := newMirror(t, st, signer)
	for _, count := range []int{0, 1, 6, 30, 0, 8} {
		add(signer, count)
		log, err := m.Fetch(t.Context())
		must(t, err)
		if log.Size != signer.Size() || log.Checkpoint != signer.Checkpoint() {
			t.Fatalf("the mirror has %d entries, the signer %d", log.Size, signer.Size())
		}
	}
	again, _ := newMirror(t, st, signer) // another process on the same database
	log, err := again.Fetch(t.Context())
	must(t, err)
	leaves, err := st.MirroredLeaves(t.Context(), log.ID, 0, 100)
	must(t, err)
	for i, leaf := range leaves {
		if string(leaf.Data) != fmt.Sprintf(`{"leaf":%d}`, i) {
			t.Errorf("leaf %d is %s", i, leaf.Data)
		}
	}
	if len(leaves) != 45 || raised.raised() != "" || m.Trouble() != "" {
		t.Errorf("%d leaves, alarms %q, trouble %q", len(leaves), raised.raised(), m.Trouble())
	}
}

// TestWhatContradictsTheMirror is never stored.
func TestWhatContradictsTheMirror(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*mirrortest.Signer)
		alarm  string
	}{
		"shorter":                {func(s *mirrortest.Signer) { s.Truncate(5) }, access.AlarmWentBack},
		"emptied":                {func(s *mirrortest.Signer) { s.Truncate(0) }, access.AlarmWentBack},
		"as long, and different": {func(s *mirrortest.Signer) { s.Truncate(19); s.Add("other") }, access.AlarmForked},
		"continued elsewhere":    {func(s *mirrortest.Signer) { s.Truncate(10); add(s, 9); s.Add("x", "y", "z") }, access.AlarmForked},
		"continued far":          {func(s *mirrortest.Signer) { s.Truncate(10); s.Add("other"); add(s, 40) }, access.AlarmForked},
		"another key": {func(s *mirrortest.Signer) {
			s.Key = mirrortest.New(t, s.Origin()).Key
		}, access.AlarmForked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st, signer := mirrortest.OpenStore(t), mirrortest.New(t, "stint-signer/a")
			signer.PageLength = 8
			m, raised := newMirror(t, st, signer)
			add(signer, 20)
			before, err := m.Fetch(t.Context())
			must(t, err)
			c.change(signer)
			if _, err := m.Fetch(t.Context()); err == nil {
				t.Fatal("it is mirrored")
			}
			after, err := st.MirroredLog(t.Context(), signer.Origin())
			must(t, err)
			if raised.raised() != c.alarm || m.Trouble() == "" || after != before {
				t.Errorf("alarms %q, trouble %q, the mirror went from %+v to %+v", raised.raised(), m.Trouble(), before, after)
			}
		})
	}
}

func TestANewLedgerIsSaidAloud(t *testing.T) {
	t.Parallel()
	st, old, fresh := mirrortest.OpenStore(t), mirrortest.New(t, "stint-signer/old"), mirrortest.New(t, "stint-signer/new")
	add(old, 9)
	m, _ := newMirror(t, st, old)
	_, err := m.Fetch(t.Context())
	must(t, err)
	add(fresh, 2)
	m, raised := newMirror(t, st, fresh)
	log, err := m.Fetch(t.Context())
	must(t, err)
	if raised.raised() != access.AlarmReplaced || log.Origin != fresh.Origin() || log.Size != 2 {
		t.Errorf("alarms %q, %+v", raised.raised(), log)
	}
	newest, err := m.Newest(t.Context())
	must(t, err)
	kept, err := st.MirroredLog(t.Context(), old.Origin())
	must(t, err)
	if newest.Origin != fresh.Origin() || kept.Size != 9 {
		t.Errorf("newest %+v, the old one %+v", newest, kept)
	}
}

func TestAnEmptiedMirrorIsSaidAloud(t *testing.T) {
	t.Parallel()
	st, signer := mirrortest.OpenStore(t), mirrortest.New(t, "stint-signer/a")
	must(t, st.Write(t.Context(), func(tx access.Tx) error {
		if err := tx.AddRequest(access.Request{ID: "req-1", State: access.Ended}); err != nil {
			return err
		}
		return tx.AddCertificate(access.Certificate{Serial: 3, Request: "req-1"})
	}))
	m, raised := newMirror(t, st, signer)
	_, err := m.Fetch(t.Context())
	must(t, err)
	if raised.raised() != access.AlarmMirrorEmptied {
		t.Errorf("alarms %q", raised.raised())
	}
}

func TestASignerIsConfirmed(t *testing.T) {
	t.Parallel()
	st, signer := mirrortest.OpenStore(t), mirrortest.New(t, "stint-signer/a")
	add(signer, 5)
	m, raised := newMirror(t, st, signer)
	must(t, m.Confirm(t.Context(), signer.Origin())) // mirrors it first
	five := signer.Checkpoint()
	add(signer, 1)
	must(t, m.Confirm(t.Context(), signer.Origin())) // by what is mirrored, without asking anew
	if got := signer.Confirmed(); len(got) != 2 || got[0] != five || got[1] != five {
		t.Errorf("confirmed with %q", got)
	}
	if err := m.Confirm(t.Context(), "stint-signer/b"); err == nil {
		t.Error("another ledger is confirmed")
	}
	signer.RollBack()
	if err := m.Confirm(t.Context(), signer.Origin()); err == nil || raised.raised() != access.AlarmWentBack || m.Trouble() == "" {
		t.Errorf("%v, alarms %q, trouble %q", err, raised.raised(), m.Trouble())
	}
}

func TestCosignedCheckpointsAreKept(t *testing.T) {
	t.Parallel()
	st, signer := mirrortest.OpenStore(t), mirrortest.New(t, "stint-signer/a")
	add(signer, 3)
	cosigned := signer.Checkpoint() + "— witness.example/w AAAAAAAAAAAAAAAA\n"
	m, _ := newMirror(t, st, signer)
	signer.Cosigned(cosigned)
	log, err := m.Fetch(t.Context())
	must(t, err)
	if log.Cosigned != cosigned || ledger.OriginOf([]byte(log.Cosigned)) != signer.Origin() {
		t.Errorf("kept %q", log.Cosigned)
	}
	signer.Cosigned(mirrortest.New(t, "stint-signer/other").Checkpoint())
	if log, err = m.Fetch(t.Context()); err != nil || log.Cosigned != cosigned {
		t.Errorf("%v, kept %q", err, log.Cosigned)
	}
}

func TestAnAbsentSignerChangesNothing(t *testing.T) {
	t.Parallel()
	st, signer := mirrortest.OpenStore(t), mirrortest.New(t, "stint-signer/a")
	add(signer, 3)
	m, raised := newMirror(t, st, signer)
	_, err := m.Fetch(t.Context())
	must(t, err)
	signer.Away(true)
	if _, err := m.Fetch(t.Context()); err == nil {
		t.Error("fetched from nobody")
	}
	if log, err := m.Newest(t.Context()); err != nil || log.Size != 3 || m.Trouble() != "" || raised.raised() != "" {
		t.Errorf("%+v %v", log, err)
	}
}
