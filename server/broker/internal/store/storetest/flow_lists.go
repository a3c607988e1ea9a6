package storetest

import (
	"fmt"
	"slices"
	"testing"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence/evidencetest"
)

func visibility(t *testing.T, h *House) {
	v := h.Pending(t)
	for name, test := range map[string]struct {
		by   policies.Person
		sees bool
	}{
		"its requester": {h.World.Alice, true}, "an approver": {h.World.Bob.Person, true}, "a reviewer": {h.Dave(), true},
		"an administrator": {h.World.Dana.Person, true}, "a colleague": {evidencetest.Person("mallory", "engineering"), false},
		"an approver by the provider's word only": {evidencetest.Person("mallory", "sre-leads"), false},
	} {
		_, err := h.Request(t.Context(), test.by, v.ID)
		if test.sees != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if !test.sees {
			wantCode(t, access.CodeRequestNotFound, err)
			for _, err := range []error{
				second(h.Deny(t.Context(), test.by, v.ID, "")), second(h.Revoke(t.Context(), test.by, v.ID, "")),
				second(h.Drop(t.Context(), test.by, v.ID, "")), second(h.Evidence(t.Context(), test.by, v.ID)),
			} {
				wantCode(t, access.CodeRequestNotFound, err)
			}
		}
	}
	_, err := h.Withdraw(t.Context(), h.World.Bob.Person, v.ID, "")
	wantCode(t, access.CodeForbidden, err)
	_, err = h.Deny(t.Context(), h.World.Alice, v.ID, "")
	wantCode(t, access.CodeForbidden, err)
	_, _, err = h.Audit(t.Context(), h.World.Alice, 0, 10)
	wantCode(t, access.CodeForbidden, err)
	leaves, next, err := h.Audit(t.Context(), h.Dave(), 0, 10)
	wantError(t, nil, err)
	same(t, "leaves", 1, len(leaves))
	same(t, "next", int64(0), next)
}

func lists(t *testing.T, h *House) {
	ctx := t.Context()
	var ids []string
	for range 5 {
		ids = append(ids, h.Pending(t).ID)
	}
	slices.Reverse(ids)
	page := func(by policies.Person, view string, before int64, limit int) (got []string, next int64) {
		items, next, err := h.Requests(ctx, by, view, nil, before, limit)
		wantError(t, nil, err)
		for _, item := range items {
			got = append(got, item.ID)
		}
		return got, next
	}
	first, next := page(h.World.Alice, access.ViewMine, 0, 2)
	same(t, "first page", ids[:2], first)
	rest, next := page(h.World.Alice, access.ViewMine, next, 3)
	same(t, "second page", ids[2:], rest)
	if next != 0 {
		last, end := page(h.World.Alice, access.ViewMine, next, 3)
		same(t, "after the last", 0, len(last))
		same(t, "end", int64(0), end)
	}
	_, err := h.Approve(ctx, h.World.Bob.Person, ids[1], h.Sign(t, h.World.Bob, ids[1], 0))
	wantError(t, nil, err)
	got, _ := page(h.World.Bob.Person, access.ViewToApprove, 0, 10)
	same(t, "to approve", []string{ids[0], ids[2], ids[3], ids[4]}, got)
	got, _ = page(h.World.Alice, access.ViewToApprove, 0, 10)
	same(t, "nothing to approve", 0, len(got))
	got, next = page(h.World.Bob.Person, access.ViewToApprove, 0, 2)
	same(t, "to approve, first", []string{ids[0], ids[2]}, got)
	got, _ = page(h.World.Bob.Person, access.ViewToApprove, next, 2)
	same(t, "to approve, then", []string{ids[3], ids[4]}, got)
	_, _, err = h.Requests(ctx, h.World.Alice, access.ViewAll, nil, 0, 10)
	wantCode(t, access.CodeForbidden, err)
	got, _ = page(h.Dave(), access.ViewAll, 0, 10)
	same(t, "all", ids, got)
	_, _, err = h.Requests(ctx, h.World.Alice, "some", nil, 0, 10)
	wantCode(t, access.CodeInvalid, err)
	same(t, "Bob waits for", "Needs 1 of Carol.", waits(t, h, ids[1]))
}

func waits(t *testing.T, h *House, id string) string {
	items, _, err := h.Requests(t.Context(), h.World.Alice, access.ViewMine, nil, 0, 10)
	wantError(t, nil, err)
	for _, item := range items {
		if item.ID == id {
			return item.WaitsFor
		}
	}
	return fmt.Sprintf("there is no %s", id)
}
