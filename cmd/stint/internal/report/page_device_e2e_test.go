//go:build e2e

package report_test

import (
	"strings"
	"testing"
	"time"

	"stint/cmd/stint/internal/proof"
	"stint/cmd/stint/internal/proof/prooftest"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// A device is believed as the command line believes it, and what one adds to an
// activation is checked.
func TestThePageKnowsDevices(t *testing.T) {
	t.Parallel()
	b := offline(t)
	laptop := evidencetest.NewDevice(t, "dev-laptop")
	enrolled := func() *prooftest.World {
		w := prooftest.New(t)
		w.Add(evidence.Entry{Device: &evidence.DeviceEntry{Evidence: w.DeviceEvidence(t, laptop, w.DeviceStatement(laptop))}})
		return w
	}
	// issued writes a certificate that the laptop asked for.
	issued := func(w *prooftest.World, alter func(*evidence.SessionEntry)) int64 {
		return w.Force(w.Session(func(e *evidence.SessionEntry) {
			posture := laptop.Signed(t, w.Posture(laptop))
			activation := w.Activation(t)
			activation.Device, activation.Posture = laptop.ID, evidence.Digest(posture.Statement)
			e.Bundle.Activation = w.SignedActivation(t, activation)
			e.Bundle.Device = &evidence.DeviceProof{Signature: laptop.Sign(t, e.Bundle.Activation.Statement), Posture: posture}
			if alter != nil {
				alter(e)
			}
		}))
	}
	block := func(w *prooftest.World) {
		w.Add(evidence.Entry{DeviceBlock: &evidence.DeviceBlockEntry{Device: laptop.ID, By: w.Dana.Person.Subject}})
	}

	// 1. As an honest signer wrote it: both say yes.
	w := enrolled()
	first := issued(w, nil)
	w.Withdraw()
	w.Reissue(first, nil)
	block(w)
	w.End()
	if _, err := proof.Verify(w.Export(true), w.Anchor); err != nil {
		t.Errorf("the command line says: %v", err)
	}
	if verdict, states := b.open(page(t, w)); !strings.HasPrefix(verdict, "Verified") || states["device-12"] != "holds" || states["device-14"] != "holds" {
		t.Errorf("the page says: %s (%v)", verdict, states)
	}
	story := b.do("text", map[string]any{"selector": "main"}).(string)
	for _, want := range []string{"The device “Alice's laptop” of alice @", "its key held in a file", "“Alice's laptop”, which said of itself: Debian 13", "was blocked"} {
		if !strings.Contains(story, want) {
			t.Errorf("the page does not say %q", want)
		}
	}

	// 2. As no honest signer would: both say no, the page by these names.
	other := evidencetest.NewDevice(t, "dev-other")
	for name, test := range map[string]struct {
		check string
		write func(*prooftest.World)
	}{
		"a device that signed nothing": {"roster", func(w *prooftest.World) {
			given := w.DeviceEvidence(t, other, w.DeviceStatement(other))
			given.Possession = laptop.Sign(t, given.Statement)
			w.Force(evidence.Entry{Device: &evidence.DeviceEntry{Evidence: given}})
			w.Issue()
		}},
		"a device under another login": {"roster", func(w *prooftest.World) {
			given := w.DeviceEvidence(t, other, w.DeviceStatement(other))
			given.Login.Signature = evidence.SignWithKey(given.Statement, evidencetest.NewKey(t).Private).Signature
			w.Force(evidence.Entry{Device: &evidence.DeviceEntry{Evidence: given}})
			w.Issue()
		}},
		"the same key again": {"roster", func(w *prooftest.World) {
			statement := w.DeviceStatement(laptop)
			statement.Device = "dev-again"
			w.Force(evidence.Entry{Device: &evidence.DeviceEntry{Evidence: w.DeviceEvidence(t, laptop, statement)}})
			w.Issue()
		}},
		"another device's signature": {"device-12", func(w *prooftest.World) {
			issued(w, func(e *evidence.SessionEntry) {
				e.Bundle.Device.Signature = other.Sign(t, e.Bundle.Activation.Statement)
			})
		}},
		"another posture": {"device-12", func(w *prooftest.World) {
			issued(w, func(e *evidence.SessionEntry) { e.Bundle.Device.Posture = laptop.Signed(t, w.Posture(laptop)) })
		}},
		"no proof of the device": {"device-12", func(w *prooftest.World) {
			issued(w, func(e *evidence.SessionEntry) { e.Bundle.Device = nil })
		}},
		"a blocked device": {"device-13", func(w *prooftest.World) {
			block(w)
			issued(w, nil)
		}},
		"a certificate once more, for a blocked device": {"device-15", func(w *prooftest.World) {
			first := issued(w, nil)
			w.Withdraw()
			w.Now = w.Now.Add(time.Second)
			block(w)
			w.Reissue(first, func(*evidence.SessionEntry) {})
		}},
		"a device that is not known": {"device-12", func(w *prooftest.World) {
			issued(w, func(e *evidence.SessionEntry) {
				activation := w.Activation(t)
				activation.Device = "dev-unknown"
				e.Bundle.Activation = w.SignedActivation(t, activation)
				e.Bundle.Device = &evidence.DeviceProof{Signature: laptop.Sign(t, e.Bundle.Activation.Statement)}
			})
		}},
	} {
		w := enrolled()
		test.write(w)
		if _, err := proof.Verify(w.Export(true), w.Anchor); err == nil {
			t.Errorf("%s: the command line takes it", name)
		}
		if verdict, states := b.open(page(t, w)); !strings.HasPrefix(verdict, "Not verified") || states[test.check] != "fails" {
			t.Errorf("%s: the page says: %s (%s is %q)", name, verdict, test.check, states[test.check])
		}
	}
	b.calm()
}
