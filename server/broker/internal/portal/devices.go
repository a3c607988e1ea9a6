package portal

import (
	"context"
	"net/http"

	"stint/policies"
	"stint/server/access"
	"stint/server/api"
	"stint/server/evidence"
)

type (
	devicesInput struct {
		View   string `query:"view" enum:"mine,all" default:"mine" doc:"all: everybody's, for reviewers and administrators"`
		Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
		Cursor string `query:"cursor" maxLength:"256"`
	}
	deviceBody[T any] struct {
		Device string `path:"device" maxLength:"64"`
		Body   T
	}
)

func (p *Portal) registerDevices(r registrar) {
	operation(r, http.MethodGet, api.PathDevices, "devices", "A page of devices, newest first", p.devices)
	operation(r, http.MethodPost, api.PathDevices, "enrol-device", "Take a device's key as the caller's", p.enrolDevice, created())
	operation(r, http.MethodPost, api.PathChallengeDevice, "challenge-device", "Challenge the TPM that holds a device's key", p.challengeDevice)
	operation(r, http.MethodPost, api.PathPosture, "report-posture", "A device says in what state it is", p.reportPosture)
	operation(r, http.MethodPost, api.PathBlockDevice, "block-device", "Make a device count for nothing, at once", p.blockDevice)
	operation(r, http.MethodPost, api.PathBindFleet, "bind-fleet", "Say which host of the Fleet server's a device is", p.bindFleet)
}

// toDevice shows a device; of their own, people see the roles that they may ask for.
func (p *Portal) toDevice(v access.DeviceView, by policies.Person) api.Device {
	shown := api.Device{
		ID: v.ID, Name: v.Name, Owner: toPerson(v.Owner), Key: v.Key, Held: v.Held, Enrolled: v.Enrolled.UTC(),
		Rules: []api.DeviceRules{}, May: list(v.May),
	}
	if said := v.Posture; said != nil {
		shown.Posture = &api.Posture{
			At: said.Issued.UTC(), System: said.System, SystemAgeDays: said.SystemAgeDays, DiskEncryption: said.DiskEncryption,
			Firewall: said.Firewall, ScreenLock: said.ScreenLock, SecureBoot: said.SecureBoot, Protection: list(said.Protection),
		}
	}
	shown.Fleet = toFleetHost(v.Fleet)
	if block := v.Block; block != nil {
		shown.Blocked = &api.Suspension{At: block.At.UTC(), By: somebody(block.By), Reason: block.Reason}
	}
	policy := p.policy()
	shown.Maker, _ = policy.TPMMaker(v.MakerRoot)
	for _, rule := range v.Rules {
		if v.Person == by.Subject && !policy.MayAsk(by, rule.Role) {
			continue
		}
		rules := api.DeviceRules{Role: rule.Role, Complies: rule.Complies, Reasons: make([]api.Reason, len(rule.Reasons))}
		for i, reason := range rule.Reasons {
			rules.Reasons[i] = toReason(reason)
		}
		shown.Rules = append(shown.Rules, rules)
	}
	return shown
}

func (p *Portal) shownDevice(ctx context.Context, v access.DeviceView, err error) (*body[api.Device], error) {
	if err != nil {
		return nil, err
	}
	return &body[api.Device]{p.toDevice(v, personOf(ctx))}, nil
}

func (p *Portal) devices(ctx context.Context, in *devicesInput) (*body[api.Devices], error) {
	before, err := fromCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	by := personOf(ctx)
	views, next, err := p.config.Flow.Devices(ctx, by, in.View == "all", before, in.Limit)
	if err != nil {
		return nil, err
	}
	page := api.Devices{Items: make([]api.Device, len(views)), Cursor: toCursor(next), ReportSeconds: wholeSeconds(p.config.Flow.ReportWithin())}
	for i, v := range views {
		page.Items[i] = p.toDevice(v, by)
	}
	return &body[api.Devices]{page}, nil
}

func (p *Portal) enrolDevice(ctx context.Context, in *onlyBody[api.DeviceEnrolment]) (*body[api.Device], error) {
	v, err := p.config.Flow.EnrolDevice(ctx, personOf(ctx), fromDeviceEnrolment(in.Body), (*evidence.DeviceAnswer)(in.Body.Answer))
	return p.shownDevice(ctx, v, err)
}

func (p *Portal) challengeDevice(ctx context.Context, in *onlyBody[api.DeviceEnrolment]) (*body[api.DeviceChallenge], error) {
	challenge, err := p.config.Flow.ChallengeDevice(ctx, personOf(ctx), fromDeviceEnrolment(in.Body))
	if err != nil {
		return nil, err
	}
	return &body[api.DeviceChallenge]{api.DeviceChallenge(challenge)}, nil
}

// fromDeviceEnrolment is all but the TPM's answer.
func fromDeviceEnrolment(in api.DeviceEnrolment) evidence.DeviceEvidence {
	e := evidence.DeviceEvidence{
		Statement: in.Statement, Possession: in.Possession,
		Login: evidence.LoginProof{Binding: fromBinding(in.Login), Signature: in.Signature},
	}
	if p := in.TPM; p != nil {
		e.TPM = &evidence.TPMProof{
			Endorsement: p.Endorsement, Certificate: p.Certificate, Attestation: evidence.TPMCertified(p.Attestation),
			Creation: p.Creation, Key: evidence.TPMCertified(p.Key),
		}
	}
	return e
}

func (p *Portal) reportPosture(ctx context.Context, in *deviceBody[api.SignedByDevice]) (*body[api.Device], error) {
	v, err := p.config.Flow.ReportPosture(ctx, personOf(ctx), in.Device, evidence.SignedByKey(in.Body))
	return p.shownDevice(ctx, v, err)
}

func (p *Portal) blockDevice(ctx context.Context, in *deviceBody[api.DeviceBlock]) (*body[api.Device], error) {
	v, err := p.config.Flow.BlockDevice(ctx, personOf(ctx), in.Device, in.Body.Reason)
	return p.shownDevice(ctx, v, err)
}

func (p *Portal) bindFleet(ctx context.Context, in *deviceBody[api.FleetChoice]) (*body[api.Device], error) {
	v, err := p.config.Flow.BindFleet(ctx, personOf(ctx), in.Device, in.Body.Host)
	return p.shownDevice(ctx, v, err)
}

// toFleetHost is nil for none.
func toFleetHost(b *access.FleetBinding) *api.FleetHost {
	if b == nil {
		return nil
	}
	shown := &api.FleetHost{
		Host: b.Host, UUID: b.UUID, Serial: b.Serial, By: somebody(b.By), Bound: b.Bound.UTC(), Said: b.Said.UTC(), Trouble: b.Trouble,
	}
	if b.Word == nil {
		return shown
	}
	shown.Word = &api.FleetWord{
		Name: b.Word.Name, System: b.Word.System, Collected: moment(b.Word.Collected), Judged: moment(b.Word.Judged),
		DiskEncryption: b.Word.DiskEncryption, Failing: []string{},
	}
	for _, policy := range b.Word.Policies {
		if name, passed := policy.Passed(); passed {
			shown.Word.Passing++
		} else {
			shown.Word.Failing = append(shown.Word.Failing, name)
		}
	}
	return shown
}

// fromDeviceProof is nil for none.
func fromDeviceProof(in *api.DeviceProof) *evidence.DeviceProof {
	if in == nil {
		return nil
	}
	proof := &evidence.DeviceProof{Signature: in.Signature}
	if in.Posture != nil {
		said := evidence.SignedByKey(*in.Posture)
		proof.Posture = &said
	}
	return proof
}
