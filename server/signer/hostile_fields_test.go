package signer

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
	"stint/server/signer/wire"
)

// mutant is a body of a call with one thing otherwise.
type mutant struct {
	what string
	body string
}

// mutants are a valid body with every member of every object, and every element of
// every list, dropped, changed, of another type, or there twice; and with a member
// too many in every object. They are found in the body itself, so that none is
// forgotten when a field is added.
func mutants(t testing.TB, valid any) (all []mutant) {
	t.Helper()
	text, err := json.Marshal(valid)
	must(t, err)
	var tree any
	must(t, json.Unmarshal(text, &tree))
	add := func(what, body string) {
		if body != string(text) {
			all = append(all, mutant{what, body})
		}
	}
	// put is the body with value in the place of the node at path; a member is
	// dropped where value is empty.
	var put func(node any, path []string, value string) string
	put = func(node any, path []string, value string) string {
		if len(path) == 0 {
			return value
		}
		var parts []string
		switch node := node.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(node)) {
				body := render(t, node[name])
				if name == path[0] {
					if body = put(node[name], path[1:], value); body == "" {
						continue
					}
				}
				parts = append(parts, render(t, name)+":"+body)
			}
			return "{" + strings.Join(parts, ",") + "}"
		case []any:
			for i := range node {
				body := render(t, node[i])
				if fmt.Sprint(i) == path[0] {
					if body = put(node[i], path[1:], value); body == "" {
						continue
					}
				}
				parts = append(parts, body)
			}
			return "[" + strings.Join(parts, ",") + "]"
		}
		t.Fatalf("nothing is at %v", path)
		return ""
	}
	var walk func(node any, path []string)
	walk = func(node any, path []string) {
		at := strings.Join(path, ".")
		own := render(t, node)
		if len(path) > 0 {
			add(at+" dropped", put(tree, path, ""))
			for _, other := range others(t, node) {
				add(at+" is "+other[:min(len(other), 60)], put(tree, path, other))
			}
		}
		below := func(name string) []string { return append(slices.Clone(path), name) }
		switch node := node.(type) {
		case map[string]any:
			inside := strings.TrimSuffix(own, "}")
			separator := ","
			if len(node) == 0 {
				separator = ""
			}
			add(at+" with a member too many", put(tree, path, inside+separator+`"more":1}`))
			for _, name := range slices.Sorted(maps.Keys(node)) {
				for _, other := range others(t, node[name])[:1] {
					add(at+"."+name+" twice", put(tree, path, strings.Replace(own, "{", "{"+render(t, name)+":"+other+",", 1)))
					add(at+"."+name+" twice, after", put(tree, path, inside+","+render(t, name)+":"+other+"}"))
				}
				add(at+"."+name+" twice the same", put(tree, path, inside+","+render(t, name)+":"+render(t, node[name])+"}"))
				walk(node[name], below(name))
			}
		case []any:
			for i := range node {
				element := render(t, node[i])
				add(fmt.Sprintf("%s.%d twice", at, i), put(tree, below(fmt.Sprint(i)), element+","+element))
				walk(node[i], below(fmt.Sprint(i)))
			}
		}
	}
	walk(tree, nil)
	return all
}

func render(t testing.TB, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	must(t, err)
	return string(text)
}

// others are values in the place of one: changed, and of every other type.
func others(t testing.TB, node any) (values []string) {
	text := func(s string) { values = append(values, render(t, s)) }
	switch node := node.(type) {
	case string:
		if middle := len(node) / 2; len(node) > 1 {
			turned := "A"
			if node[middle] == 'A' {
				turned = "B"
			}
			text(node[:middle] + turned + node[middle+1:])
			text(node[1:])
			text(node[:len(node)-1])
		}
		text(node + "A")
		text(" " + node)
		if upper := strings.ToUpper(node); upper != node { // a time has no small letters
			text(upper)
		}
		// Every line of a statement: gone, twice, and otherwise.
		if lines := strings.SplitAfter(node, "\n"); len(lines) > 2 {
			for i, line := range lines {
				if line == "" {
					continue
				}
				before, after := strings.Join(lines[:i], ""), strings.Join(lines[i+1:], "")
				text(before + after)
				text(before + line + line + after)
				text(before + strings.TrimSuffix(line, "\n") + "0\n" + after)
			}
		}
	case float64:
		values = append(values, render(t, node+1), render(t, -node), "1e99")
	case bool:
		values = append(values, render(t, !node))
	}
	return append(values, `""`, `0`, `true`, `null`, `[]`, `{}`, `["x"]`, `{"x":"y"}`)
}

// TestEveryFieldAltered is a hostile broker, or proxy, that makes every call with
// every field altered. Nothing is signed, nothing is given and nothing of what the
// signer believes changes; and the call as it was is good.
func TestEveryFieldAltered(t *testing.T) {
	t.Parallel()
	type call struct {
		path string
		body func(w *world, dave *person) any
		by   func(w *world) tls.Certificate
		// free are beginnings of alterations that change nothing of what is given: a
		// proxy's key is the proxy's to choose, the same yes twice counts once.
		free []string
	}
	broker := func(w *world) tls.Certificate { return w.broker }
	proxy := func(w *world) tls.Certificate { return w.proxy }
	for name, c := range map[string]call{
		"session": {wire.PathSignSession, func(w *world, _ *person) any {
			return wire.SessionRequest{Bundle: w.bundle("r1", newKey(t))}
		}, broker, []string{"bundle.approvals.0 twice"}},
		"enrol": {wire.PathEnrol, func(w *world, dave *person) any {
			given := w.enrolledBy(w.carol, w.mallory, "leads")
			given.Administrators = w.signed(given.Statement, w.carol, dave)
			return wire.EnrolRequest{Evidence: given}
		}, broker, nil},
		"enrol by login": {wire.PathEnrol, func(w *world, _ *person) any {
			statement := w.enrolment(w.alice)
			return wire.EnrolRequest{Evidence: evidence.EnrolmentEvidence{
				Statement: statement, Possession: w.alice.sign(t, statement),
				Login: &evidence.LoginProof{Binding: *w.login(w.alice), Signature: evidence.SignWithKey(statement, w.alice.login).Signature},
			}}
		}, broker, nil},
		"change": {wire.PathChange, func(w *world, dave *person) any {
			statement := w.standing(evidence.ChangeGroups, w.bob, []string{"auditors", "leads"}, w.bob.credential())
			return wire.ChangeRequest{Evidence: evidence.ChangeEvidence{Statement: statement, Administrators: w.signed(statement, w.carol, dave)}}
		}, broker, nil},
		"policy": {wire.PathPolicy, func(w *world, dave *person) any {
			return wire.PolicyRequest{Evidence: w.proposed(w.policyWith("targets.yaml", targetsText(t, "staging")), nil, w.carol, dave)}
		}, broker, nil},
		"inventory": {wire.PathInventory, func(w *world, dave *person) any { return w.inventoryCall(dave) }, broker, nil},
		"device": {wire.PathDevice, func(w *world, _ *person) any {
			return wire.DeviceRequest{Evidence: w.deviceEvidence(evidencetest.NewDevice(t, "dev-1"))}
		}, broker, nil},
		"device in a TPM": {wire.PathDevice, func(w *world, dave *person) any {
			d, tpm, _ := w.inTPM(dave)
			return w.answered(w.deviceInTPM(d, tpm), tpm)
		}, broker, nil},
		"session from a device": {wire.PathSignSession, func(w *world, dave *person) any {
			_, err := w.signer.changePolicy(t.Context(), wire.PolicyRequest{Evidence: w.proposed(w.demanding(), nil, w.carol, dave)})
			must(t, err)
			laptop := w.enrolledDevice()
			return wire.SessionRequest{Bundle: w.from(laptop, w.bundle("r1", newKey(t)), nil)}
		}, broker, []string{"bundle.approvals.0 twice"}},
		"presence": {wire.PathPresence, func(w *world, dave *person) any {
			enrolment := w.enrolledBy(w.carol, w.alice, "leads")
			enrolment.Administrators = w.signed(enrolment.Statement, w.carol, dave)
			_, err := w.pin(enrolment)
			must(t, err)
			bundle := w.bundle("r7", newKey(t))
			w.mustSign(bundle)
			presence, err := evidence.PresenceOf(bundle.Request, liveID, w.clock.Now().Truncate(time.Second), nonce())
			must(t, err)
			text := w.encode(presence)
			return wire.PresenceRequest{Evidence: evidence.SignedByPasskey{Statement: text, Assertion: w.alice.sign(t, text)}}
		}, broker, nil},
		"target": {wire.PathSignTarget, func(w *world, _ *person) any {
			w.mustSign(w.bundle("r7", newKey(t)))
			return wire.TargetRequest{Request: "r7", PublicKey: newKey(t)}
		}, proxy, []string{"public_key is "}},
		"host": {wire.PathSignHost, func(*world, *person) any { return wire.HostRequest{PublicKey: newKey(t)} }, proxy, []string{"public_key is "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, dave := quorumWorld(t)
			w.unlimited()
			must(t, w.signer.needKeys(t.Context(), ""))
			w.everyFieldAltered(c.path, c.by(w), c.body(w, dave), c.free)
		})
	}
}

// everyFieldAltered makes a call with every field of its body altered, one at a time, and
// then as it was.
func (w *world) everyFieldAltered(path string, by tls.Certificate, body any, free []string) {
	w.t.Helper()
	before, latest := w.entries(), w.beliefs().latest
	tried := 0
	for _, m := range mutants(w.t, body) {
		if slices.ContainsFunc(free, func(free string) bool { return strings.HasPrefix(m.what, free) }) {
			continue
		}
		tried++
		status, answer := w.post(path, by, m.body)
		if status == http.StatusOK || status == http.StatusInternalServerError || strings.Contains(answer, "cert-v01") {
			w.t.Errorf("%s: %d %s", m.what, status, answer)
		}
		if w.entries() != before || w.beliefs().latest != latest {
			w.t.Fatalf("%s: an entry was made", m.what)
		}
	}
	if tried < 5 {
		w.t.Errorf("only %d alterations were tried", tried)
	}
	if status, answer := w.post(path, by, render(w.t, body)); status != http.StatusOK || w.entries() != before+1 {
		w.t.Errorf("as it was: %d %s", status, answer)
	}
}

// TestEveryFieldOfTakingAwayAltered: whatever a hostile broker makes of the calls that
// take away, they take away or are refused.
func TestEveryFieldOfTakingAwayAltered(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path string
		body func(w *world, dave *person) any
	}{
		"end": {wire.PathEnd, func(w *world, _ *person) any {
			return wire.EndRequest{Request: "r1", Reason: "revoked", By: w.subject(w.bob)}
		}},
		"remove": {wire.PathRemovePasskey, func(w *world, _ *person) any {
			return wire.RemovePasskeyRequest{Credential: w.bob.credential(), By: w.subject(w.bob)}
		}},
		"suspend": {wire.PathSuspend, func(w *world, _ *person) any {
			return wire.SuspendRequest{Person: w.subject(w.bob), Name: "Bob Brown", By: w.subject(w.carol)}
		}},
		"block a device": {wire.PathBlockDevice, func(w *world, _ *person) any {
			w.enrolledDevice()
			return wire.BlockDeviceRequest{Device: "dev-1", By: w.subject(w.carol)}
		}},
		"end a delegation": {wire.PathEndDelegation, func(w *world, dave *person) any {
			given := w.delegation(w.bob, dave, time.Hour, "leads")
			must(t, w.delegate(given))
			return wire.EndDelegationRequest{Digest: evidence.Digest(given.Statement), By: w.subject(w.bob)}
		}},
		"suspend an administrator": {wire.PathSuspend, func(w *world, dave *person) any {
			return wire.SuspendRequest{Person: w.subject(dave), Name: "Dave Dunn", By: w.subject(w.carol)}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, dave := quorumWorld(t)
			w.unlimited()
			for _, m := range mutants(t, c.body(w, dave)) {
				before := w.entries()
				status, answer := w.post(c.path, w.broker, m.body)
				if status == http.StatusInternalServerError {
					t.Errorf("%s: %s", m.what, answer)
				}
				for index := before; index < w.entries(); index++ {
					e, err := w.signer.book.settle(t.Context(), index)
					must(t, err)
					if e.entry.Ending == nil && e.entry.Removal == nil && e.entry.Suspension == nil && e.entry.DeviceBlock == nil && e.entry.DelegationEnd == nil {
						t.Fatalf("%s makes %+v", m.what, e.entry)
					}
				}
			}
			if left := w.administrators(); left != 2 {
				t.Errorf("%d administrators are left", left)
			}
		})
	}
}

// inventoryCall is a valid statement of an inventory that the policy names.
func (w *world) inventoryCall(dave *person) wire.InventoryRequest {
	w.t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(w.t, err)
	files := w.policyWith("organization.yaml", "kind: Organization\nreviewers: [auditors]\ninventories:\n- name: autoscaled\n  key: "+
		evidence.FormatKey(key.Public().(ed25519.PublicKey))+"\n  labels: {env: [prod]}\n")
	_, err = w.signer.changePolicy(w.t.Context(), wire.PolicyRequest{Evidence: w.proposed(files, nil, w.carol, dave)})
	must(w.t, err)
	targets := fmt.Sprintf("kind: Target\nname: web-7\naddress: web-7.example.com:22\nhostKey: %s\nlabels: {env: prod}\n", hostKeys()[0])
	now := w.clock.Now().Truncate(time.Second)
	statement := w.encode(&evidence.InventoryChange{
		Instance: instance, Inventory: "autoscaled", Number: 1, Targets: evidence.Digest(targets), Issued: now, Expires: now.Add(time.Hour), Nonce: nonce(),
	})
	return wire.InventoryRequest{Evidence: evidence.InventoryEvidence{
		Statement: statement, Targets: targets, Signature: evidence.SignWithKey(statement, key).Signature,
	}}
}

// administrators counts who can sign changes.
func (w *world) administrators() (n int) {
	roster := w.beliefs().trust.Roster
	for _, p := range roster.People {
		if slices.ContainsFunc(p.Passkeys, func(k evidence.Passkey) bool {
			_, ok := p.Active(k.Credential, w.clock.Now())
			return ok && slices.Contains(p.With(k).Groups, "administrators")
		}) {
			n++
		}
	}
	return n
}

// unlimited takes the limits away, for a test that makes more calls than anybody.
func (w *world) unlimited() {
	s := w.signer
	for _, l := range []**limiter{&s.sessions, &s.again, &s.targets, &s.hosts, &s.changes, &s.unknown, &s.strangers} {
		*l = newLimiter(1e9, 1e9)
	}
}

// post makes a call as the holder of a certificate.
func (w *world) post(path string, by tls.Certificate, body string) (status int, answer string) {
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	request.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{by.Leaf}}
	recorder := httptest.NewRecorder()
	newServer(w.signer, w.quiet()).handler().ServeHTTP(recorder, request)
	return recorder.Code, recorder.Body.String()
}
