package broker

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"stint/policies"
	"stint/server/api"
)

// The policy is loaded anew at SIGHUP; a faulty one changes nothing and is told.
func TestPolicyReload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	alice := w.portalSignIn("alice")
	offers := func(role string) bool {
		roles, err := alice.api.Roles(t.Context())
		must(t, err)
		return slices.ContainsFunc(roles.Items, func(r api.Role) bool { return r.Name == role })
	}
	troubles := func() string {
		var health api.Health
		must(t, json.Unmarshal(w.do(nil, call{method: "GET", path: api.PathHealth}).body, &health))
		return strings.Join(health.Troubles, " ")
	}
	if offers("reading") || troubles() != "" {
		t.Fatalf("at first: %q", troubles())
	}
	w.write("policy/more.yaml", `kind: Role
name: reading
description: Reads.
requesters: [engineering]
targets: {labels: {env: production}}
logins: [deploy]
duration: {default: 5m, longest: 10m}
reason: optional
approval: []
conflicts: []
`)
	must(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	w.eventually("the new role is offered", func() bool { return offers("reading") && troubles() == "" })

	w.write("policy/more.yaml", "kind: Rolle\n")
	must(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	w.eventually("the fault is told", func() bool { return strings.Contains(troubles(), "faults") })
	if !offers("reading") {
		t.Error("a faulty policy took the role away")
	}
	must(t, os.Remove(filepath.Join(w.dir, "policy", "more.yaml")))
	must(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	w.eventually("the role is gone", func() bool { return !offers("reading") && troubles() == "" })
}

// Where broker and signer differ, the signer's policy decides and people are told.
func TestPolicyDiffers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	alice := w.portalSignIn("alice")
	before, err := alice.api.Me(t.Context())
	must(t, err)
	other := t.TempDir()
	must(t, os.WriteFile(filepath.Join(other, "o.yaml"), []byte("kind: Organization\nreviewers: [engineering]\n"), 0o600))
	own, err := policies.Load(os.DirFS(other))
	must(t, err)
	w.broker.signing.SetOwn(own)
	after, err := alice.api.Me(t.Context())
	must(t, err)
	if before.PolicyWarning != "" || after.PolicyWarning == "" || after.Reviewer {
		t.Errorf("warned of %q and then of %q; alice reviews: %v", before.PolicyWarning, after.PolicyWarning, after.Reviewer)
	}
}
