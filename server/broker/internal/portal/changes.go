package portal

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"stint/policies"
	"stint/server/access"
	"stint/server/api"
	"stint/server/evidence"
)

// maxFiles bounds the bodies that carry policy files or targets.
const maxFiles = 1 << 20

type (
	peopleInput struct {
		View   string `query:"view" enum:"roster,all" default:"roster" doc:"all: everybody who has signed in"`
		Person string `query:"person" maxLength:"512" doc:"the subject or the e-mail address"`
		Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
		Cursor string `query:"cursor" maxLength:"2048"`
	}
	memberInput struct {
		Issuer  string `query:"issuer" required:"true" minLength:"1" maxLength:"512"`
		Subject string `query:"subject" required:"true" minLength:"1" maxLength:"512"`
	}
	changesInput struct {
		View   string `query:"view" enum:"open,closed" default:"open"`
		Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
		Cursor string `query:"cursor" maxLength:"256"`
	}
	changeInput struct {
		Change string `path:"change" maxLength:"64" doc:"of a change"`
	}
	oneChangeInput struct {
		Change string `path:"change" maxLength:"64" doc:"of a change"`
		Files  bool   `query:"files" default:"true" doc:"with the files of a policy change, which are long and stay as they are; a page that asks over and over does without"`
	}
	changeBody[T any] struct {
		Change string `path:"change" maxLength:"64" doc:"of a change"`
		Body   T
	}
)

func (p *Portal) registerChanges(r registrar) {
	operation(r, http.MethodGet, api.PathPeople, "members", "Who is in the roster, or everybody who has signed in", p.members)
	operation(r, http.MethodGet, api.PathMember, "member", "One of them, with what a suspension would end", p.member)
	operation(r, http.MethodPost, api.PathSuspend, "suspend", "End all that somebody holds, at once", p.suspend)
	operation(r, http.MethodGet, api.PathChanges, "changes", "A page of changes, newest first", p.changes)
	operation(r, http.MethodPost, api.PathChanges, "propose-roster", "Propose to change somebody's standing", p.proposeRoster, created())
	operation(r, http.MethodPost, api.PathPolicyChanges, "propose-policy", "Propose a policy", p.proposePolicy, created(), largeBody(), heavyWork())
	operation(r, http.MethodGet, api.PathChange, "change", "A change with all that belongs to it", p.change, heavyWork())
	operation(r, http.MethodPost, api.PathChangeChallenge, "change-challenge", "The text that administrators sign", p.changeChallenge)
	operation(r, http.MethodPost, api.PathSignatures, "sign-change", "An administrator signs a change", p.signChange)
	operation(r, http.MethodPost, api.PathSendChange, "send-change", "Take a change that the quorum has signed to the signer once more", p.sendChange)
	operation(r, http.MethodPost, api.PathRejectChange, "reject-change", "Say no to a change", p.rejectChange)
	operation(r, http.MethodPost, api.PathSendEnrolment, "send-enrolment", "Take an enrolment that the quorum has signed to the signer once more", p.sendEnrolment)
	operation(r, http.MethodGet, api.PathPolicy, "policy", "The policy in force", p.policyInForce)
	operation(r, http.MethodPost, api.PathInventories, "inventory", "Hand in targets that a key of the policy's has signed", p.inventory, withoutSignIn(anInventory), largeBody())
}

// largeBody lets an operation take files.
func largeBody() option {
	return func(op *huma.Operation, _ *bool) { op.MaxBodyBytes = maxFiles }
}

func toMember(m access.Member) api.Member {
	shown := api.Member{
		Person: toPerson(m.Person), Pinned: m.Pinned, Groups: list(m.Person.Groups), Passkeys: make([]api.MemberPasskey, len(m.Passkeys)),
		LastSeen: moment(m.LastSeen), Holds: list(m.Holds), May: list(m.May),
	}
	for i, k := range m.Passkeys {
		shown.Passkeys[i] = api.MemberPasskey{
			Credential: k.Credential, Name: k.Name, Groups: list(k.Groups), Enrolled: k.Enrolled.UTC(), LastUsed: moment(k.LastUsed),
		}
	}
	if s := m.Suspension; s != nil {
		shown.Suspension = &api.Suspension{At: s.At.UTC(), By: somebody(s.By), Reason: s.Reason}
	}
	return shown
}

// somebody is nil for nobody.
func somebody(p policies.Person) *api.Person {
	if p.Subject == (policies.Subject{}) {
		return nil
	}
	shown := toPerson(p)
	return &shown
}

func (p *Portal) members(ctx context.Context, in *peopleInput) (*body[api.People], error) {
	after, err := fromPlace(in.Cursor)
	if err != nil {
		return nil, err
	}
	members, next, err := p.config.Flow.Members(ctx, personOf(ctx), in.View == "all", access.PeopleQuery{Person: in.Person, After: after, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	page := api.People{Items: make([]api.Member, len(members)), Cursor: toPlace(next)}
	for i, m := range members {
		page.Items[i] = toMember(m)
	}
	return &body[api.People]{page}, nil
}

// A list of people goes on behind an identity, which a cursor holds.
func fromPlace(text string) (place policies.Subject, err error) {
	if text == "" {
		return place, nil
	}
	encoded, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(encoded, &place)
	}
	if err != nil || place == (policies.Subject{}) || toPlace(place) != text {
		return policies.Subject{}, wrong("query.cursor", "This is not a cursor that a page before has given.")
	}
	return place, nil
}

func toPlace(place policies.Subject) string {
	if place == (policies.Subject{}) {
		return ""
	}
	text, err := json.Marshal(place)
	if err != nil {
		return "" // two strings always encode
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func (p *Portal) member(ctx context.Context, in *memberInput) (*body[api.Member], error) {
	return membered(p.config.Flow.Member(ctx, personOf(ctx), policies.Subject{Issuer: in.Issuer, Subject: in.Subject}))
}

func (p *Portal) suspend(ctx context.Context, in *onlyBody[api.SuspensionDraft]) (*body[api.Member], error) {
	whom := policies.Subject{Issuer: in.Body.Issuer, Subject: in.Body.Subject}
	return membered(p.config.Flow.Suspend(ctx, personOf(ctx), whom, in.Body.Reason))
}

func membered(m access.Member, err error) (*body[api.Member], error) {
	if err != nil {
		return nil, err
	}
	return &body[api.Member]{toMember(m)}, nil
}

func toSignatures(g access.Gathered) []api.Signature {
	signed := make([]api.Signature, len(g.Signatures))
	for i, s := range g.Signatures {
		signed[i] = api.Signature{Person: toPerson(s.Signer), Signed: s.Signed.UTC(), PasskeyName: s.PasskeyName, Counts: s.Counts}
	}
	return signed
}

func toChange(v access.ChangeView) api.Change {
	shown := api.Change{
		ID: v.ID, Kind: string(v.Kind), State: string(v.State), Headline: v.Headline, Words: list(v.Words), Reason: v.Reason,
		Proposer: toPerson(v.Proposer), Created: v.Created.UTC(), Expires: v.Expires.UTC(),
		Ended: moment(v.Ended), EndedBy: somebody(v.EndedBy), EndReason: v.EndReason,
		Statement: v.Statement, Digest: v.Digest, Signed: toSignatures(v.Gathered), Quorum: v.Quorum, Missing: v.Missing(),
		Files: []api.FileChange{}, May: list(v.May),
	}
	names := slices.Sorted(maps.Keys(v.Before))
	for _, name := range slices.Sorted(maps.Keys(v.After)) {
		if _, was := v.Before[name]; !was {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if before, after := v.Before[name], v.After[name]; before != after {
			shown.Files = append(shown.Files, api.FileChange{Name: name, Before: before, After: after})
		}
	}
	return shown
}

func changed(v access.ChangeView, err error) (*body[api.Change], error) {
	if err != nil {
		return nil, err
	}
	return &body[api.Change]{toChange(v)}, nil
}

func (p *Portal) changes(ctx context.Context, in *changesInput) (*body[api.Changes], error) {
	before, err := fromCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	views, next, err := p.config.Flow.Changes(ctx, personOf(ctx), in.View == "open", before, in.Limit)
	if err != nil {
		return nil, err
	}
	page := api.Changes{Items: make([]api.Change, len(views)), Cursor: toCursor(next)}
	for i, v := range views {
		page.Items[i] = toChange(v)
	}
	return &body[api.Changes]{page}, nil
}

func (p *Portal) proposeRoster(ctx context.Context, in *onlyBody[api.RosterDraft]) (*body[api.Change], error) {
	draft := in.Body
	return changed(p.config.Flow.ProposeRoster(ctx, personOf(ctx), access.RosterProposal{
		Change: draft.Change, Person: policies.Subject{Issuer: draft.Issuer, Subject: draft.Subject},
		Groups: draft.Groups, Passkeys: draft.Passkeys, Credential: draft.Credential, Reason: draft.Reason,
	}))
}

func (p *Portal) proposePolicy(ctx context.Context, in *onlyBody[api.PolicyDraft]) (*body[api.Change], error) {
	return changed(p.config.Flow.ProposePolicy(ctx, personOf(ctx), in.Body.Files, in.Body.Reason))
}

func (p *Portal) change(ctx context.Context, in *oneChangeInput) (*body[api.Change], error) {
	v, err := p.config.Flow.Change(ctx, personOf(ctx), in.Change)
	if !in.Files {
		v.Before, v.After = nil, nil
	}
	if err != nil {
		return nil, err
	}
	tested, err := p.config.Flow.BacktestChange(ctx, v)
	if err != nil {
		return nil, err
	}
	shown := toChange(v)
	shown.Backtest = toBacktest(tested)
	return &body[api.Change]{shown}, nil
}

func (p *Portal) changeChallenge(ctx context.Context, in *changeInput) (*body[api.SigningChallenge], error) {
	challenge, err := p.config.Flow.ChangeChallenge(ctx, personOf(ctx), in.Change)
	if err != nil {
		return nil, err
	}
	return &body[api.SigningChallenge]{toChallenge(challenge)}, nil
}

func (p *Portal) signChange(ctx context.Context, in *changeBody[api.ChangeSignature]) (*body[api.Change], error) {
	return changed(p.config.Flow.SignChange(ctx, personOf(ctx), in.Change, evidence.Assertion(in.Body.Assertion)))
}

func (p *Portal) sendChange(ctx context.Context, in *changeInput) (*body[api.Change], error) {
	return changed(p.config.Flow.SendChange(ctx, personOf(ctx), in.Change))
}

func (p *Portal) rejectChange(ctx context.Context, in *changeBody[api.Taking]) (*body[api.Change], error) {
	return changed(p.config.Flow.RejectChange(ctx, personOf(ctx), in.Change, in.Body.Reason))
}

func (p *Portal) sendEnrolment(ctx context.Context, in *enrolmentInput) (*body[api.Enrolment], error) {
	return enrolled(p.config.Flow.SendEnrolment(ctx, personOf(ctx), in.Enrolment))
}

func (p *Portal) policyInForce(context.Context, *noInput) (*body[api.Policy], error) {
	policy := p.policy()
	return &body[api.Policy]{api.Policy{
		Digest: policy.Digest(), Files: policy.Files(), Quorum: policy.Quorum(), Warning: p.config.Signing.Differs(),
	}}, nil
}

func (p *Portal) inventory(ctx context.Context, in *onlyBody[api.InventoryDraft]) (*body[api.Inventory], error) {
	taken, err := p.config.Flow.TakeInventory(ctx, evidence.InventoryEvidence(in.Body))
	if err != nil {
		return nil, err
	}
	return &body[api.Inventory]{api.Inventory{Name: taken.Inventory, Number: taken.Number, Expires: taken.Expires.UTC()}}, nil
}
