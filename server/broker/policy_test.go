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

// The broker's files are loaded anew at SIGHUP. They decide nothing: that they
// differ from the signer's is told, as are faults, until the quorum has signed. Not
// parallel: the signal is for every broker in this process.
func TestPolicyReload(t *testing.T) {
	w := newWorld(t, options{})
	alice, dana := w.portalSignIn("alice"), w.administrator()
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
	const more = `kind: Role
name: reading
description: Reads.
requesters: [engineering]
targets: {labels: {env: production}}
logins: [deploy]
duration: {default: 5m, longest: 10m}
reason: optional
approval: []
`
	w.write("policy/more.yaml", more)
	must(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	w.eventually("the difference is told", func() bool { return strings.Contains(troubles(), "different policies") })
	if offers("reading") {
		t.Error("the broker's own files decide")
	}
	inForce, err := dana.api.Policy(t.Context())
	must(t, err)
	if inForce.Warning == "" || inForce.Quorum != 1 {
		t.Errorf("the policy in force: %q, quorum %d", inForce.Warning, inForce.Quorum)
	}
	inForce.Files["more.yaml"] = more
	proposed, err := dana.api.ProposePolicy(t.Context(), api.PolicyDraft{Files: inForce.Files, Reason: "somebody has to read"})
	must(t, err)
	if signed := dana.signsChange(proposed.ID); signed.State != "in-force" {
		t.Fatalf("signed it is %s", signed.State)
	}
	w.eventually("the new role is offered, and nothing differs", func() bool { return offers("reading") && troubles() == "" })

	w.write("policy/more.yaml", "kind: Rolle\n")
	must(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	w.eventually("the fault is told", func() bool { return strings.Contains(troubles(), "faults") })
	if !offers("reading") {
		t.Error("a faulty policy took the role away")
	}
	must(t, os.Remove(filepath.Join(w.dir, "policy", "more.yaml")))
	must(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	w.eventually("the fault is over, and the difference told", func() bool { return strings.Contains(troubles(), "different policies") })
	if me, err := alice.api.Me(t.Context()); err != nil || me.PolicyWarning == "" {
		t.Errorf("alice is told %q, %v", me.PolicyWarning, err)
	}
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
