package portal

import (
	"context"
	"net/http"

	"stint/policies"
	"stint/server/access"
	"stint/server/api"
	"stint/server/evidence"
)

func (p *Portal) registerReviews(r registrar) {
	operation(r, http.MethodPost, api.PathAskChallenge, "ask-challenge", "The text by which the requester confirms what they ask for", p.askChallenge)
	operation(r, http.MethodPost, api.PathAskConfirmation, "confirm-ask", "The requester confirms what they ask for with a passkey", p.confirmAsk)
	operation(r, http.MethodPost, api.PathReviewChallenge, "review-challenge", "The text that closes the review of an emergency", p.reviewChallenge)
	operation(r, http.MethodPost, api.PathReview, "review", "Close the review of an emergency with a passkey's signature", p.review)
	operation(r, http.MethodGet, api.PathReviews, "reviews", "Emergencies that nobody has reviewed", p.reviews)
	operation(r, http.MethodGet, api.PathNews, "news", "What the caller was told and that still waits", p.news)
}

func (p *Portal) askChallenge(ctx context.Context, in *requestInput) (*body[api.SigningChallenge], error) {
	return challenged(p.config.Flow.AskChallenge(ctx, personOf(ctx), in.ID))
}

func challenged(c access.SigningChallenge, err error) (*body[api.SigningChallenge], error) {
	if err != nil {
		return nil, err
	}
	return &body[api.SigningChallenge]{toChallenge(c)}, nil
}

func (p *Portal) confirmAsk(ctx context.Context, in *requestBody[api.SignedStatement]) (*body[api.Request], error) {
	view, err := p.config.Flow.ConfirmAsk(ctx, personOf(ctx), in.ID, fromSigned(in.Body))
	return p.shown(ctx, view, err)
}

func (p *Portal) reviewChallenge(ctx context.Context, in *requestBody[api.ReviewDraft]) (*body[api.SigningChallenge], error) {
	return challenged(p.config.Flow.ReviewChallenge(ctx, personOf(ctx), in.ID, in.Body.Finding))
}

func (p *Portal) review(ctx context.Context, in *requestBody[api.SignedStatement]) (*body[api.Request], error) {
	view, err := p.config.Flow.Review(ctx, personOf(ctx), in.ID, fromSigned(in.Body))
	return p.shown(ctx, view, err)
}

func (p *Portal) reviews(ctx context.Context, _ *noInput) (*body[api.Reviews], error) {
	by := personOf(ctx)
	open, err := p.config.Flow.Reviews(ctx, by)
	if err != nil {
		return nil, err
	}
	list := api.Reviews{Items: make([]api.OpenReview, len(open))}
	for i, item := range open {
		list.Items[i] = api.OpenReview{
			Request: toSummary(item.RequestItem, by), Begun: item.Used.UTC(), Due: item.Due.UTC(), Locked: item.Locked, May: item.May,
		}
	}
	return &body[api.Reviews]{list}, nil
}

func (p *Portal) news(ctx context.Context, _ *noInput) (*body[api.News], error) {
	by := personOf(ctx)
	news, err := p.config.Flow.News(ctx, by)
	if err != nil {
		return nil, err
	}
	list := api.News{Items: make([]api.NewsItem, len(news))}
	for i, item := range news {
		list.Items[i] = api.NewsItem{Request: toSummary(item.RequestItem, by), Told: toTold(item.Told), Due: moment(item.Due), Locked: item.Locked}
	}
	return &body[api.News]{list}, nil
}

func toTold(t access.Telling) api.Told {
	return api.Told{At: t.At.UTC(), Kind: t.Kind, Stage: t.Stage, People: toPeople(t.People), Text: t.Text}
}

func toAskConfirmation(v access.RequestView) *api.Confirmation {
	c := v.Confirmation
	if c == nil || c.Revision != v.Revision.Number {
		return nil
	}
	return &api.Confirmation{Issued: c.Issued.UTC(), PasskeyName: c.PasskeyName, Statement: c.Signed.Statement, Digest: evidence.Digest(c.Signed.Statement)}
}

func toReview(v access.RequestView) *api.Review {
	if !v.OpenReview && v.Request.Review == nil {
		return nil
	}
	shown := &api.Review{Due: moment(v.ReviewDue), Groups: list(v.ReviewGroups), Locked: v.Locked}
	if r := v.Request.Review; r != nil {
		shown.Closed, shown.By, shown.Finding = moment(r.At), somebody(r.By), r.Finding
		shown.Statement, shown.Digest, shown.PasskeyName = r.Signed.Statement, evidence.Digest(r.Signed.Statement), r.PasskeyName
	}
	return shown
}

func toAsserted(facts []policies.Assertion) []api.AssertedFact {
	shown := make([]api.AssertedFact, len(facts))
	for i, fact := range facts {
		shown[i] = api.AssertedFact(fact)
	}
	return shown
}
