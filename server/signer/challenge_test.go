package signer

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
	"stint/server/signer/wire"
)

// inTPM has the policy list a maker of TPMs, which more administrators sign, and gives
// a device whose key is in a TPM of that maker.
func (w *world) inTPM(more ...*person) (*evidencetest.Device, *evidencetest.TPM, *evidencetest.TPMMaker) {
	w.t.Helper()
	maker, tpm := evidencetest.NewTPMMaker(w.t, w.clock.Now()), evidencetest.NewTPM(w.t, 0)
	maker.Certify(w.t, tpm)
	text := w.beliefs().policy.Files()["organization.yaml"]
	if text == "" {
		text = "kind: Organization\n"
	}
	files := w.policyWith("organization.yaml", text+maker.YAML("Acme"))
	_, err := w.signer.changePolicy(w.t.Context(), wire.PolicyRequest{Evidence: w.proposed(files, nil, append(more, w.carol)...)})
	must(w.t, err)
	return evidencetest.NewDevice(w.t, "dev-1"), tpm, maker
}

// deviceInTPM is the enrolment of a device as alice's, whose key is in a TPM.
func (w *world) deviceInTPM(d *evidencetest.Device, tpm *evidencetest.TPM) evidence.DeviceEvidence {
	w.t.Helper()
	e := w.deviceEvidence(d)
	statement, err := evidence.DecodeAs[*evidence.Device](e.Statement)
	must(w.t, err)
	statement.Held = evidence.HeldTPM
	e.Statement = w.encode(statement)
	e.Possession = d.Sign(w.t, e.Statement)
	e.Login.Signature = evidence.SignWithKey(e.Statement, w.alice.login).Signature
	e.TPM = tpm.Proof(w.t, d)
	return e
}

// answered is the call that enrols a device whose TPM has answered.
func (w *world) answered(e evidence.DeviceEvidence, tpm *evidencetest.TPM) wire.DeviceRequest {
	w.t.Helper()
	challenge, err := w.signer.challenge(w.t.Context(), wire.ChallengeRequest{Evidence: e})
	must(w.t, err)
	answer, err := tpm.Answer(w.t, challenge)
	must(w.t, err)
	return wire.DeviceRequest{Evidence: e, Answer: &answer}
}

// A role demands a key in a TPM of a known maker: nothing less is enough.
func TestACertificateNeedsTheTPM(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	d, tpm, maker := w.inTPM()
	w.enforce("roles.yaml", strings.Replace(rolesText, "reason: required\n", "reason: required\ndevice: {required: true, held: tpm}\n", 1))
	b := w.bundle("r1", newKey(t))

	// 1. A key in a file, and one in a TPM that nobody certified.
	file := w.enrolledDevice()
	_, err := w.sign(w.from(file, b, nil))
	refused(t, err, "evidence.device-policy")
	bare, nobodys := evidencetest.NewDevice(t, "dev-2"), evidencetest.NewTPM(t, 1)
	_, err = w.signer.enrolDevice(t.Context(), w.answered(w.deviceInTPM(bare, nobodys), nobodys))
	must(t, err)
	_, err = w.sign(w.from(bare, b, nil))
	refused(t, err, "evidence.device-policy")

	// 2. The maker's certificate, without its TPM to answer, is not even enrolled.
	d.ID = "dev-3"
	given := w.deviceInTPM(d, tpm)
	_, err = w.signer.enrolDevice(t.Context(), wire.DeviceRequest{Evidence: given})
	refused(t, err, "evidence.challenge-answer")
	call := w.answered(given, tpm)
	for name, c := range map[string]struct {
		call  wire.DeviceRequest
		check string
	}{
		"another answer":   {wire.DeviceRequest{Evidence: given, Answer: &evidence.DeviceAnswer{Secret: make([]byte, 32), Expires: call.Answer.Expires}}, "evidence.challenge-answer"},
		"a later time":     {wire.DeviceRequest{Evidence: given, Answer: &evidence.DeviceAnswer{Secret: call.Answer.Secret, Expires: call.Answer.Expires.Add(-time.Second)}}, "evidence.challenge-answer"},
		"a replayed one":   {wire.DeviceRequest{Evidence: w.deviceInTPM(d, tpm), Answer: call.Answer}, "evidence.challenge-answer"},
		"no proof with it": {wire.DeviceRequest{Evidence: func() evidence.DeviceEvidence { e := given; e.TPM = nil; return e }(), Answer: call.Answer}, "evidence.tpm-proof"},
	} {
		if _, err := w.signer.enrolDevice(t.Context(), c.call); err == nil {
			t.Errorf("%s: it was enrolled", name)
		} else {
			refused(t, err, c.check)
		}
	}
	w.clock.add(evidence.ChallengeLife)
	_, err = w.signer.enrolDevice(t.Context(), call)
	refused(t, err, "evidence.challenge-expires")

	// 3. A signer that begins anew knows no challenge from before; it makes another.
	call = w.answered(given, tpm)
	w.shut()
	w.open()
	_, err = w.signer.enrolDevice(t.Context(), call)
	refused(t, err, "evidence.challenge-answer")
	before := w.entries()
	call = w.answered(given, tpm)
	if w.entries() != before {
		t.Error("a challenge makes an entry")
	}
	done, err := w.signer.enrolDevice(t.Context(), call)
	must(t, err)
	if e := w.prove(done.Proof); e.Device == nil || !e.Device.Answered || e.Device.MakerRoot != maker.Digest() || e.Device.Evidence.TPM == nil {
		t.Errorf("the entry is %+v", e.Device)
	}
	again, err := w.signer.enrolDevice(t.Context(), wire.DeviceRequest{Evidence: given})
	must(t, err)
	if again.Proof.Entry != done.Proof.Entry {
		t.Error("the same device made another entry")
	}
	_, err = w.signer.challenge(t.Context(), wire.ChallengeRequest{Evidence: given})
	refused(t, err, "evidence.device-known")

	// 4. It may, until the maker is believed no longer.
	b = w.bundle("r2", newKey(t))
	w.mustSign(w.from(d, b, nil))
	_, err = w.signTarget("r2")
	must(t, err)
	text := w.beliefs().policy.Files()["organization.yaml"]
	w.enforce("organization.yaml", strings.Replace(text, maker.YAML("Acme"), evidencetest.NewTPMMaker(t, w.clock.Now()).YAML("Acme"), 1))
	_, err = w.signTarget("r2")
	refused(t, err, "evidence.device-policy")
}

// Only whoever could enrol the device gets a challenge, and nobody endlessly.
func TestChallengesAreRefused(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	d, tpm, _ := w.inTPM()
	good := w.deviceInTPM(d, tpm)
	for name, c := range map[string]struct {
		check string
		alter func(e *evidence.DeviceEvidence)
	}{
		"in a file":        {"evidence.challenge", func(e *evidence.DeviceEvidence) { *e = w.deviceEvidence(d) }},
		"not its key":      {"evidence.possession", func(e *evidence.DeviceEvidence) { e.Possession = e.Login.Signature }},
		"not its person's": {"evidence.authority-signature", func(e *evidence.DeviceEvidence) { e.Login.Signature = e.Possession }},
		"no proof":         {"evidence.tpm-proof", func(e *evidence.DeviceEvidence) { e.TPM = nil }},
		"another's proof": {"evidence.tpm-key", func(e *evidence.DeviceEvidence) {
			e.TPM = tpm.Proof(t, evidencetest.NewDevice(t, "dev-2"))
		}},
	} {
		e := good
		c.alter(&e)
		_, err := w.signer.challenge(t.Context(), wire.ChallengeRequest{Evidence: e})
		if err == nil {
			t.Errorf("%s: there is a challenge", name)
			continue
		}
		refused(t, err, c.check)
	}
	for range 200 {
		if _, err := w.signer.challenge(t.Context(), wire.ChallengeRequest{Evidence: good}); err != nil {
			refused(t, err, "rate-limited")
			// Nobody else's are used up.
			bobs := good
			bobs.Statement = strings.Replace(good.Statement, w.subject(w.alice).String(), w.subject(w.bob).String(), 1)
			_, err = w.signer.challenge(t.Context(), wire.ChallengeRequest{Evidence: bobs})
			refused(t, err, "evidence.possession")
			return
		}
	}
	t.Error("200 challenges were made")
}

// Over the wire, as a broker calls: the answer's time survives.
func TestChallengeOverTheWire(t *testing.T) {
	t.Parallel()
	w := openWorld(t)
	d, tpm, _ := w.inTPM()
	must(t, w.signer.needKeys(t.Context(), ""))
	call := w.answered(w.deviceInTPM(d, tpm), tpm)
	if status, answer := w.post(wire.PathChallengeDevice, w.broker, render(t, wire.ChallengeRequest{Evidence: call.Evidence})); status != http.StatusOK || !strings.Contains(answer, `"credential"`) {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer := w.post(wire.PathChallengeDevice, w.proxy, render(t, wire.ChallengeRequest{Evidence: call.Evidence})); status != http.StatusForbidden {
		t.Errorf("a proxy: %d %s", status, answer)
	}
	if status, answer := w.post(wire.PathDevice, w.broker, render(t, call)); status != http.StatusOK {
		t.Errorf("%d %s", status, answer)
	}
}
