package storetest

import (
	"strings"
	"testing"

	"stint/policies"
	"stint/server/access"
	"stint/server/evidence"
	"stint/server/evidence/evidencetest"
)

// deviceInTPM enrols devices where Alice's role asks for a key in a TPM of a known
// maker.
func deviceInTPM(t *testing.T, h *House) {
	ctx, alice, w := t.Context(), h.World.Alice, h.World
	maker, tpm := evidencetest.NewTPMMaker(t, w.Now), evidencetest.NewTPM(t, 0)
	maker.Certify(t, tpm)
	demand := func(maker *evidencetest.TPMMaker) {
		t.Helper()
		h.SetPolicy(t, strings.NewReplacer("quorum: 1\n", "quorum: 1\n"+maker.YAML("Acme"), "reason: required\n", "reason: required\ndevice: {required: true, held: tpm}\n").Replace(evidencetest.Policy))
		h.Signer.ChangeTrust(func(trust *evidence.Trust) { *trust = trust.WithPolicy(h.Policy()) })
	}
	demand(maker)
	w.Now = h.Clock.Now()

	// In a file: it is enrolled, and does not comply.
	file := evidencetest.NewDevice(t, "dev-1")
	v, err := h.EnrolDevice(ctx, alice, w.DeviceEvidence(t, file, w.DeviceStatement(file)), nil)
	wantError(t, nil, err)
	if len(v.Rules) != 1 || v.Rules[0].Complies || !strings.Contains(policies.Objections(v.Rules[0].Reasons), "this machine's is in a file") {
		t.Errorf("the device is %+v", v)
	}
	// In a TPM: only with the TPM's answer, to a challenge about it, which nobody else asks for.
	d := evidencetest.NewDevice(t, "dev-2")
	given := w.DeviceInTPM(t, d, tpm)
	_, err = h.EnrolDevice(ctx, alice, given, nil)
	wantCode(t, access.CodeSignerRefused, err)
	_, err = h.ChallengeDevice(ctx, w.Bob.Person, given)
	wantCode(t, access.CodeForbidden, err)
	_, err = h.ChallengeDevice(ctx, alice, evidence.DeviceEvidence{Statement: "stint"})
	wantCode(t, access.CodeInvalid, err)
	challenge, err := h.ChallengeDevice(ctx, alice, given)
	wantError(t, nil, err)
	answer, err := tpm.Answer(t, challenge)
	wantError(t, nil, err)
	v, err = h.EnrolDevice(ctx, alice, given, &answer)
	wantError(t, nil, err)
	if v.Held != evidence.HeldTPM || v.MakerRoot != maker.Digest() || len(v.Rules) != 1 || !v.Rules[0].Complies {
		t.Errorf("the device is %+v", v)
	}
	// The maker is believed no longer.
	demand(evidencetest.NewTPMMaker(t, w.Now))
	v, err = h.Device(ctx, alice, "dev-2")
	wantError(t, nil, err)
	if v.Rules[0].Complies || !strings.Contains(policies.Objections(v.Rules[0].Reasons), "lists no longer") {
		t.Errorf("the device is %+v", v)
	}
}
