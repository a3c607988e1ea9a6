package evidence_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// Nothing of a statement can be altered under the signatures that were given for
// it: not one field of any kind.
func TestNoFieldCanBeAlteredUnderASignature(t *testing.T) {
	t.Parallel()
	altered := 0
	tryAll := func(t *testing.T, statement evidence.Statement, skip []string, verify func(text string) error) {
		t.Helper()
		if err := verify(evidencetest.Text(t, statement)); err != nil {
			t.Fatalf("unaltered: %v", err)
		}
		fields := reflect.ValueOf(statement).Elem()
		for i := range fields.NumField() {
			name := fields.Type().Field(i).Name
			if slices.Contains(skip, name) {
				continue
			}
			for _, other := range alterations(fields.Field(i)) {
				old := reflect.ValueOf(fields.Field(i).Interface())
				fields.Field(i).Set(other)
				text, err := evidence.Encode(statement)
				fields.Field(i).Set(old)
				if err != nil {
					continue
				}
				altered++
				if err := verify(text); err == nil {
					t.Errorf("%s of the %s statement could be altered", name, statement.Kind())
				}
			}
		}
	}
	loaded := func(w *evidencetest.World) {
		bundle, err := policies.Parse(w.Trust.Policy)
		if err != nil {
			t.Fatal(err)
		}
		w.Trust = w.Trust.WithPolicy(bundle)
	}
	w := newChanging(t)
	loaded(w.World)
	signed := evidencetest.ChangedBy(t, w.statement, w.by...)
	tryAll(t, w.statement, nil, func(text string) error {
		_, err := evidence.VerifyChange(evidence.ChangeEvidence{Statement: text, Administrators: signed.Administrators}, w.Trust, w.Now)
		return err
	})

	p := newRuling(t)
	loaded(p.World)
	ruled := evidencetest.PolicyBy(t, p.statement, p.files, p.by...)
	tryAll(t, p.statement, nil, func(text string) error {
		_, err := evidence.VerifyPolicy(evidence.PolicyEvidence{Statement: text, Files: ruled.Files, Administrators: ruled.Administrators}, p.Trust, p.Now)
		return err
	})

	s := newStocking(t)
	loaded(s.World)
	stocked := evidencetest.InventoryBy(t, s.statement, s.targets, s.key)
	tryAll(t, s.statement, nil, func(text string) error {
		_, err := evidence.VerifyInventory(evidence.InventoryEvidence{Statement: text, Targets: stocked.Targets, Signature: stocked.Signature}, s.Trust, s.Now)
		return err
	})

	e := byQuorum(t)
	loaded(e.World)
	enrolled := evidencetest.Possessed(t, e.statement, e.passkey)
	e.sign(enrolled.Statement, &enrolled)
	tryAll(t, e.statement, nil, func(text string) error {
		given := enrolled
		given.Statement = text
		_, err := evidence.VerifyEnrolment(given, e.Trust, e.Now)
		return err
	})

	b := newWorld(t)
	loaded(b.World)
	for i, m := range []*evidencetest.Member{b.Bob, b.Carol} {
		approval := b.Approval(t, m)
		b.bundle.Approvals[i] = evidencetest.Signed(t, approval, m.Passkey)
		tryAll(t, approval, nil, func(text string) error {
			bundle := b.bundle
			bundle.Approvals = slices.Clone(b.bundle.Approvals)
			bundle.Approvals[i].Statement = text
			_, err := evidence.Verify(bundle, b.Trust, b.Circumstances())
			return err
		})
	}
	activation := b.Activation(t)
	b.bundle.Activation = b.SignedActivation(t, activation)
	tryAll(t, activation, nil, func(text string) error {
		bundle := b.bundle
		bundle.Activation = &evidence.SignedByKey{Statement: text, Signature: b.bundle.Activation.Signature}
		_, err := evidence.Verify(bundle, b.Trust, b.Circumstances())
		return err
	})
	request := b.Request
	tryAll(t, &request, nil, func(text string) error {
		bundle := b.bundle
		bundle.Request = text
		_, err := evidence.Verify(bundle, b.Trust, b.Circumstances())
		return err
	})
	confirmed := newWorld(t)
	login := confirmed.Confirmation(confirmed.Erin, confirmed.Login)
	binding := confirmed.ConfirmedBinding(t, confirmed.Erin)
	confirmation := evidencetest.Signed(t, login, confirmed.Erin.Passkey)
	tryAll(t, login, nil, func(text string) error {
		given := *binding
		given.Confirmation = &evidence.SignedByPasskey{Statement: text, Assertion: confirmation.Assertion}
		_, err := evidence.VerifyLogin(given, confirmed.Trust, confirmed.Now)
		return err
	})
	if altered < 90 {
		t.Errorf("only %d alterations were tried", altered)
	}
}

// alterations are other values of a field, of which some can be written.
func alterations(v reflect.Value) (others []reflect.Value) {
	switch old := v.Interface().(type) {
	case string:
		for _, text := range []string{
			old + "x", "a", "0", "suspend", "groups", "sha256:" + strings.Repeat("7", 64), strings.Repeat("7", 32), vectorKey(9), "AAAA",
		} {
			others = append(others, reflect.ValueOf(text))
		}
	case int:
		others = append(others, reflect.ValueOf(old+1))
	case int64:
		others = append(others, reflect.ValueOf(old+1))
	case time.Time:
		others = append(others, reflect.ValueOf(old.Add(time.Second)), reflect.ValueOf(old.Add(-time.Second)))
	case policies.Subject:
		others = append(others, reflect.ValueOf(policies.Subject{Issuer: old.Issuer, Subject: "carol"}), reflect.ValueOf(policies.Subject{Issuer: old.Issuer + "x", Subject: old.Subject}))
	case []string:
		others = append(others, reflect.ValueOf([]string(nil)), reflect.ValueOf([]string{"AAAA"}), reflect.ValueOf(append([]string{"0000"}, old...)))
	case policies.Ask:
		for _, f := range []func(a *policies.Ask){
			func(a *policies.Ask) { a.Role = "staging-shell" }, func(a *policies.Ask) { a.Target = "staging-1" }, func(a *policies.Ask) { a.Login = "postgres" },
			func(a *policies.Ask) { a.Duration -= time.Second }, func(a *policies.Ask) { a.Reason += "." },
		} {
			other := old
			f(&other)
			others = append(others, reflect.ValueOf(other))
		}
	default:
		panic("no alterations of a " + v.Type().String())
	}
	return slices.DeleteFunc(others, func(o reflect.Value) bool { return reflect.DeepEqual(o.Interface(), v.Interface()) })
}
