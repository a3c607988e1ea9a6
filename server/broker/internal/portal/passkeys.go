package portal

import (
	"context"

	"stint/policies"
	"stint/server/access"
	"stint/server/api"
	"stint/server/evidence"
)

func (p *Portal) passkeys(ctx context.Context, _ *noInput) (*body[api.Passkeys], error) {
	items, err := p.ownPasskeys(ctx, personOf(ctx))
	if err != nil {
		return nil, err
	}
	return &body[api.Passkeys]{api.Passkeys{Items: items}}, nil
}

func (p *Portal) ownPasskeys(ctx context.Context, by policies.Person) ([]api.Passkey, error) {
	known, err := p.config.Flow.Passkeys(ctx, by)
	if err != nil {
		return nil, err
	}
	trust, err := p.config.Signing.Trust(ctx)
	if err != nil {
		trust = access.Trust{} // nothing is known to be pinned
	}
	items := make([]api.Passkey, len(known))
	for i, k := range known {
		items[i] = api.Passkey{Credential: k.Credential, Name: k.Name, Groups: []string{}, Created: k.Created.UTC(), LastUsed: moment(k.LastUsed)}
		if holder, pinned, ok := trust.Roster.Holder(k.Credential, p.config.Now()); ok {
			items[i].Pinned, items[i].Groups = true, list(holder.With(pinned).Groups)
		}
	}
	return items, nil
}

func (p *Portal) renamePasskey(ctx context.Context, in *credentialBody[api.PasskeyName]) (*body[api.Passkey], error) {
	by := personOf(ctx)
	if err := p.config.Flow.RenamePasskey(ctx, by, in.Credential, in.Body.Name); err != nil {
		return nil, err
	}
	items, err := p.ownPasskeys(ctx, by)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		if item.Credential == in.Credential {
			return &body[api.Passkey]{item}, nil
		}
	}
	return nil, &access.Error{Problem: access.NotFound, Code: access.CodePasskeyNotFound, Message: "The passkey was removed meanwhile."}
}

func (p *Portal) removePasskey(ctx context.Context, in *credentialInput) (*nothing, error) {
	return nil, p.config.Flow.RemovePasskey(ctx, personOf(ctx), in.Credential)
}

func (p *Portal) startRegistration(ctx context.Context, in *onlyBody[api.RegistrationStart]) (*body[api.RegistrationOptions], error) {
	if err := policies.CheckText(in.Body.Name, 64); err != nil {
		return nil, wrong("body.name", "A passkey's name has 1 to 64 visible characters.")
	}
	id, options, err := p.config.Registrar.Begin(ctx, personOf(ctx), in.Body.Name)
	if err != nil {
		return nil, err
	}
	return &body[api.RegistrationOptions]{api.RegistrationOptions{Ceremony: id, Options: options}}, nil
}

func (p *Portal) finishRegistration(ctx context.Context, in *onlyBody[api.Registration]) (*body[api.Enrolment], error) {
	by := personOf(ctx)
	made, err := p.config.Registrar.Finish(ctx, by, in.Body.Ceremony, in.Body.Credential)
	if err != nil {
		return nil, err
	}
	made.Groups = in.Body.Groups
	return enrolled(p.config.Flow.StartEnrolment(ctx, by, made))
}

func enrolled(view access.EnrolmentView, err error) (*body[api.Enrolment], error) {
	if err != nil {
		return nil, err
	}
	return &body[api.Enrolment]{toEnrolment(view)}, nil
}

func (p *Portal) enrolments(ctx context.Context, _ *noInput) (*body[api.Enrolments], error) {
	views, err := p.config.Flow.Enrolments(ctx, personOf(ctx))
	if err != nil {
		return nil, err
	}
	out := api.Enrolments{Items: make([]api.Enrolment, len(views))}
	for i, v := range views {
		out.Items[i] = toEnrolment(v)
	}
	return &body[api.Enrolments]{out}, nil
}

func (p *Portal) possession(ctx context.Context, in *enrolmentBody[api.SignedStatement]) (*body[api.Enrolment], error) {
	return enrolled(p.config.Flow.ProvePossession(ctx, personOf(ctx), in.Enrolment, fromSigned(in.Body)))
}

func (p *Portal) authorisationChallenge(ctx context.Context, in *enrolmentInput) (*body[api.SigningChallenge], error) {
	challenge, err := p.config.Flow.EnrolmentChallenge(ctx, personOf(ctx), in.Enrolment)
	if err != nil {
		return nil, err
	}
	return &body[api.SigningChallenge]{toChallenge(challenge)}, nil
}

func (p *Portal) authorise(ctx context.Context, in *enrolmentBody[api.Authorisation]) (*body[api.Enrolment], error) {
	given, authority := 0, access.EnrolmentAuthority{}
	if in.Body.Passkey != nil {
		assertion := evidence.Assertion(*in.Body.Passkey)
		authority.Passkey, given = &assertion, given+1
	}
	if in.Body.Login != nil {
		authority.Login = &evidence.LoginProof{Binding: fromBinding(in.Body.Login.Login), Signature: in.Body.Login.Signature}
		given++
	}
	if given != 1 {
		return nil, wrong("body", "Give exactly one of passkey and login.")
	}
	return enrolled(p.config.Flow.AuthoriseEnrolment(ctx, personOf(ctx), in.Enrolment, authority))
}

func (p *Portal) rejectEnrolment(ctx context.Context, in *enrolmentBody[api.Taking]) (*body[api.Enrolment], error) {
	return enrolled(p.config.Flow.RejectEnrolment(ctx, personOf(ctx), in.Enrolment, in.Body.Reason))
}
