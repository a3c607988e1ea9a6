package storetest

import (
	"testing"
	"time"

	"stint/policies"
	"stint/server/access"
)

// keepingFlow: reviewers of a role hold its recordings, the person of the session does
// not; what is held outlives its time, and what is removed is read by nobody.
func keepingFlow(t *testing.T, h *House) {
	ctx := t.Context()
	h.bothDecideBy(t, role("watched", "recording: {reviewers: [sre-leads]}", "approval: []"))
	v := h.wants(t, "watched")
	started, err := h.StartSession(ctx, Start(v, h.used(t, v), "session-000000000001"))
	wantError(t, nil, err)
	id := started.Session.ID
	reviewer := h.World.Bob.Person
	for _, by := range []policies.Person{h.World.Alice, h.Dave()} {
		wantCode(t, access.CodeForbidden, h.Hold(ctx, by, id, "a case"))
	}
	wantCode(t, access.CodeInvalid, h.Hold(ctx, reviewer, id, ""))
	wantCode(t, access.CodeRecordingHeld, h.Release(ctx, reviewer, id, "over"))
	wantError(t, nil, h.Hold(ctx, reviewer, id, "a case"))
	wantCode(t, access.CodeRecordingHeld, h.Hold(ctx, reviewer, id, "a case"))

	const days = 24 * time.Hour
	wantError(t, nil, h.EndSession(ctx, "proxy-1", id, access.SessionEnd{Reason: "completed", Ended: h.Clock.Now(), Bytes: 9}))
	h.Clock.Move(2 * days)
	outlived := func() int {
		t.Helper()
		due, err := h.RecordingsToKeep(ctx, days)
		wantError(t, nil, err)
		return len(due.Outlived)
	}
	same(t, "outlived while it is held", 0, outlived())
	wantError(t, nil, h.RemoveRecording(ctx, id, days)) // as one that was listed before
	_, _, err = h.Replaying(ctx, reviewer, id)
	wantError(t, nil, err)

	wantCode(t, access.CodeForbidden, h.Release(ctx, h.World.Alice, id, "over"))
	wantError(t, nil, h.Release(ctx, reviewer, id, "over"))
	same(t, "outlived", 1, outlived())
	wantError(t, nil, h.RemoveRecording(ctx, id, 3*days)) // kept longer meanwhile
	_, _, err = h.Replaying(ctx, reviewer, id)
	wantError(t, nil, err)
	wantError(t, nil, h.RemoveRecording(ctx, id, days))
	wantError(t, nil, h.RemoveRecording(ctx, id, days))
	same(t, "outlived, and removed", 0, outlived())
	for _, by := range []policies.Person{h.World.Alice, reviewer} {
		_, _, err = h.Replaying(ctx, by, id)
		wantCode(t, access.CodeRecordingRemoved, err)
		seen, err := h.Session(ctx, by, id)
		wantError(t, nil, err)
		same(t, "may", 0, len(seen.May))
	}
	wantCode(t, access.CodeRecordingRemoved, h.Hold(ctx, reviewer, id, "too late"))
	wantError(t, nil, h.StoreRecording(ctx, id, [32]byte{1}))
	due, err := h.RecordingsToKeep(ctx, days)
	wantError(t, nil, err)
	same(t, "undeleted", 1, len(due.Undeleted))
	same(t, "stored", true, due.Undeleted[0].Stored.IsZero())
	wantError(t, nil, h.DeletedRecording(ctx, id))
	due, err = h.RecordingsToKeep(ctx, days)
	wantError(t, nil, err)
	same(t, "undeleted, and deleted", 0, len(due.Undeleted))
	for kind, want := range map[string]int{access.EventRecordingHeld: 1, access.EventRecordingReleased: 1, access.EventRecordingRemoved: 1, access.EventRecordingStored: 0} {
		told := 0
		for _, one := range h.kinds(t, v.ID) {
			if one == kind {
				told++
			}
		}
		same(t, kind, want, told)
	}
}
