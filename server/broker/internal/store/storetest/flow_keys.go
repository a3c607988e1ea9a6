package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence"
)

// RotateKeys replaces nothing.
func (s *Signer) RotateKeys(context.Context, string, string, policies.Subject) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down
}

func rotatingKeys(t *testing.T, h *House) {
	ctx, dana := t.Context(), h.World.Dana.Person
	wantCode(t, access.CodeForbidden, h.RotateKeys(ctx, h.World.Carol.Person, evidence.PurposeUserCA, "why"))
	for _, reason := range []string{"", "a\nb"} {
		wantCode(t, access.CodeInvalid, h.RotateKeys(ctx, dana, evidence.PurposeUserCA, reason))
	}
	h.Signer.SetDown(&access.Error{Problem: access.Unavailable, Code: access.CodeSignerUnavailable, Message: "away", Cause: errors.New("away")})
	wantCode(t, access.CodeSignerUnavailable, h.RotateKeys(ctx, dana, evidence.PurposeUserCA, "why"))
	if kinds := h.kinds(t, ""); slices.Contains(kinds, access.EventKeysRotated) {
		t.Errorf("what was not done is on record: %v", kinds)
	}
	h.Signer.SetDown(nil)
	wantError(t, nil, h.RotateKeys(ctx, dana, "all", "a laptop is gone"))
	if kinds := h.kinds(t, ""); !slices.Contains(kinds, access.EventKeysRotated) {
		t.Errorf("it is not on record: %v", kinds)
	}
}
