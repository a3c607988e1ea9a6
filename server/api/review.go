package api

import "time"

// Confirmation is a requester's own word, by passkey, that they ask.
type Confirmation struct {
	Issued      time.Time `json:"issued"`
	PasskeyName string    `json:"passkey_name"`
	Statement   string    `json:"statement"`
	Digest      string    `json:"digest"`
}

// Review is what becomes of an emergency after it has begun.
type Review struct {
	// Due is absent where it was closed before anybody had written down that it was used.
	Due    *time.Time `json:"due,omitempty" doc:"unless it is closed, the role is locked for everybody from then on"`
	Groups []string   `json:"groups" doc:"whose members close it, never the one who acted"`
	Locked bool       `json:"locked" doc:"the role is locked because of it"`
	// Closed is absent while it is open.
	Closed      *time.Time `json:"closed,omitempty"`
	By          *Person    `json:"by,omitempty"`
	Finding     string     `json:"finding,omitempty" doc:"what the reviewer found"`
	Statement   string     `json:"statement,omitempty"`
	Digest      string     `json:"digest,omitempty"`
	PasskeyName string     `json:"passkey_name,omitempty"`
}

// ReviewDraft is what a reviewer found.
type ReviewDraft struct {
	Finding string `json:"finding" minLength:"1" maxLength:"500"`
}

// OpenReview is an emergency that nobody has reviewed.
type OpenReview struct {
	Request RequestSummary `json:"request"`
	Begun   time.Time      `json:"begun"`
	Due     time.Time      `json:"due" doc:"unless it is closed, the role is locked for everybody from then on"`
	Locked  bool           `json:"locked" doc:"the role is locked because of it"`
	May     bool           `json:"may" doc:"the caller may close it"`
}

// Reviews lists open reviews, the one that is due first in front.
type Reviews struct {
	Items []OpenReview `json:"items"`
}

// Told is one time that people were told of a request.
type Told struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"kind" enum:"reminder,escalation,break-glass,review" doc:"why: they have not answered, they may approve now too, somebody acts alone, an emergency waits for its review"`
	Stage  string    `json:"stage,omitempty"`
	People []Person  `json:"people" doc:"whom"`
	Text   string    `json:"text" doc:"one sentence"`
}

// NewsItem is something that the caller was told and that still waits.
type NewsItem struct {
	Request RequestSummary `json:"request"`
	Told    Told           `json:"told"`
	// Due is absent where no review waits.
	Due    *time.Time `json:"due,omitempty" doc:"of a review: unless it is closed, the role is locked for everybody from then on"`
	Locked bool       `json:"locked" doc:"of a review: the role is locked because of it"`
}

// News is what the caller was told, newest first.
type News struct {
	Items []NewsItem `json:"items"`
}

// AssertedFact is the broker's word on a fact that the signer cannot check.
type AssertedFact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
