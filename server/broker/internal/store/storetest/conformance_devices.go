package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
	"stint/server/broker/internal/store"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

func devices(t *testing.T, st *store.Store) {
	// What a device said last takes the place of what it said before.
	said := access.DevicePosture{Device: "dev-1", Said: evidence.SignedByKey{Statement: "text\n", Signature: "s"}, Received: start}
	later := said
	later.Said.Statement, later.Received = "other\n", start.Add(time.Second)
	write(t, st, func(tx access.Tx) error { return errors.Join(tx.PutDevicePosture(said), tx.PutDevicePosture(later)) })
	same(t, "posture", later, read(t, st, func(r access.Reader) (access.DevicePosture, error) { return r.DevicePosture("dev-1") }))
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error { _, err := r.DevicePosture("dev-2"); return err }))

	// A block waits until the signer has it.
	block := access.DeviceBlock{Device: "dev-1", By: evidencetest.Person("dana"), Reason: "lost", At: start, Attempts: 1, Next: start.Add(time.Second)}
	write(t, st, func(tx access.Tx) error { return tx.PutDeviceBlock(block) })
	due := func(now time.Time) []access.DeviceBlock {
		return read(t, st, func(r access.Reader) ([]access.DeviceBlock, error) { return r.DeviceBlocks(now, 5) })
	}
	same(t, "not due", 0, len(due(start)))
	same(t, "due", []access.DeviceBlock{block}, due(start.Add(time.Second)))
	block.Next = time.Time{}
	write(t, st, func(tx access.Tx) error { return tx.PutDeviceBlock(block) })
	same(t, "settled", 0, len(due(start.Add(time.Hour))))
	same(t, "block", block, read(t, st, func(r access.Reader) (access.DeviceBlock, error) { return r.DeviceBlock("dev-1") }))
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error { _, err := r.DeviceBlock("dev-2"); return err }))

	// Sessions of a device, and when each ends unless the device speaks up.
	write(t, st, func(tx access.Tx) error { return tx.AddRequest(sample(1)) })
	session := func(n int64, device string, dueAt time.Time) access.Session {
		return access.Session{
			ID: fmt.Sprintf("session-%08d", n), Number: n, Request: sample(1).ID, Serial: 1, Person: evidencetest.Person("alice"),
			Started: start, LeaseUntil: start, Device: device, DeviceDue: dueAt,
		}
	}
	first, second, other, killed := session(1, "dev-1", start.Add(2*time.Minute)), session(2, "dev-1", start.Add(time.Minute)), session(3, "", time.Time{}), session(4, "dev-2", start)
	killed.KillReason = "device"
	ended := session(5, "dev-1", start)
	ended.Ended, ended.EndReason = start, "completed"
	write(t, st, func(tx access.Tx) error {
		return errors.Join(tx.AddSession(first), tx.AddSession(second), tx.AddSession(other), tx.AddSession(killed), tx.AddSession(ended))
	})
	list := func(get func(r access.Reader) ([]access.Session, error)) []access.Session { return read(t, st, get) }
	same(t, "of the device", []access.Session{first, second}, list(func(r access.Reader) ([]access.Session, error) { return r.SessionsOfDevice("dev-1") }))
	overdue := func(now time.Time) []access.Session {
		return list(func(r access.Reader) ([]access.Session, error) { return r.DeviceOverdue(now, 5) })
	}
	same(t, "none overdue", 0, len(overdue(start.Add(time.Minute-1000))))
	same(t, "one overdue", []access.Session{second}, overdue(start.Add(time.Minute)))
	same(t, "both overdue", []access.Session{second, first}, overdue(start.Add(time.Hour)))
	next := func() (time.Time, error) {
		var at time.Time
		err := st.Read(t.Context(), func(r access.Reader) (err error) { at, err = r.NextDeviceDue(); return err })
		return at, err
	}
	at, err := next()
	wantError(t, nil, err)
	same(t, "next", start.Add(time.Minute), at)
	write(t, st, func(tx access.Tx) error {
		return errors.Join(tx.SetDeviceJudged(second.ID, "policy-2", time.Time{}), tx.KillSession(first.ID, "device", policies.Person{}))
	})
	_, err = next()
	wantError(t, access.ErrNoRow, err)
	second.DevicePolicy, second.DeviceDue = "policy-2", time.Time{}
	otherwise := func(policy string, after int64) []access.Session {
		return list(func(r access.Reader) ([]access.Session, error) {
			return r.SessionsJudgedByOtherPolicies(policy, after, 5)
		})
	}
	same(t, "judged by another policy", []access.Session{second, other}, otherwise("policy-1", 0))
	same(t, "judged by another policy, after the first", []access.Session{other}, otherwise("policy-1", second.Number))
	same(t, "judged by this one", []access.Session{other}, otherwise("policy-2", 0))
}

func fleetBindings(t *testing.T, st *store.Store) {
	bind := func(device string, host int64, asked time.Time) access.FleetBinding {
		return access.FleetBinding{
			Device: device, Host: host, UUID: "u", Serial: "s", By: evidencetest.Person("dana"), Bound: start, Said: start, Asked: asked,
			Word: &policies.FleetHost{ID: host, UUID: "u", Serial: "s", Collected: start, Policies: []policies.FleetPolicy{{Name: "ünï", Passes: new(true)}}},
		}
	}
	first, second, idle := bind("dev-1", 1, start.Add(time.Minute)), bind("dev-2", 2, start), bind("dev-3", 3, start)
	second.Word, second.Trouble = nil, "gone"
	write(t, st, func(tx access.Tx) error {
		for _, b := range []access.FleetBinding{bind("dev-1", 9, start), first, second, idle} {
			if err := tx.PutFleetBinding(b); err != nil {
				return err
			}
		}
		return nil
	})
	same(t, "binding", first, read(t, st, func(r access.Reader) (access.FleetBinding, error) { return r.FleetBinding("dev-1") }))
	same(t, "of the host", second, read(t, st, func(r access.Reader) (access.FleetBinding, error) { return r.FleetBindingOf(2) }))
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error { _, err := r.FleetBindingOf(9); return err }))
	if err := st.Write(t.Context(), func(tx access.Tx) error { return tx.PutFleetBinding(bind("dev-4", 1, start)) }); err == nil {
		t.Error("one host is two devices")
	}
	// Devices of live sessions are due, the longest ago first.
	write(t, st, func(tx access.Tx) error { return tx.AddRequest(sample(1)) })
	for i, device := range []string{"dev-1", "dev-2", "dev-1", "", "dev-3"} {
		session := access.Session{
			ID: "session-0000000" + string(rune('a'+i)), Number: int64(i + 1), Request: sample(1).ID, Serial: 1, Person: evidencetest.Person("alice"),
			Started: start, LeaseUntil: start, Device: device,
		}
		if device == "dev-3" {
			session.Ended, session.EndReason = start, "completed"
		}
		write(t, st, func(tx access.Tx) error { return tx.AddSession(session) })
	}
	due := func(asked time.Time, limit int) []access.FleetBinding {
		return read(t, st, func(r access.Reader) ([]access.FleetBinding, error) { return r.FleetDue(asked, limit) })
	}
	same(t, "none due", 0, len(due(start.Add(-1000), 5)))
	same(t, "one due", []access.FleetBinding{second}, due(start, 5))
	same(t, "both due", []access.FleetBinding{second, first}, due(start.Add(time.Hour), 5))
	same(t, "a page", []access.FleetBinding{second}, due(start.Add(time.Hour), 1))
	write(t, st, func(tx access.Tx) error { return tx.RemoveFleetBinding("dev-1") })
	wantError(t, access.ErrNoRow, st.Read(t.Context(), func(r access.Reader) error { _, err := r.FleetBinding("dev-1"); return err }))
}
