package access

import (
	"context"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// Clock tells the time and waits. A real one is monotonic while the process lives.
type Clock interface {
	Now() time.Time
	// After sends once when d has passed, by the monotonic clock.
	After(d time.Duration) <-chan time.Time
}

// Notifier passes news on after the transaction that made it has committed. It
// must not block and may drop what nobody listens to: proxies also learn of an
// end when they renew a lease.
type Notifier interface {
	Notify(Notice)
}

// Trust is whom the signer believes, as the broker last heard.
type Trust struct {
	evidence.Trust
	PolicyDigest string
	Checkpoint   string // signed note: the head of the signer's ledger
	Ceremony     bool   // the first administrators are still being enrolled, at the signer's own page
}

// Signer is the signer process. Every call but Trust goes over the network and
// ends within the context's deadline; none is made inside a transaction. A
// refusal is an *Error with Problem SignerRefused, whose code is "signer." and
// the signer's own and whose message is the signer's sentence; anything else that
// goes wrong is an *Error with Problem Unavailable and CodeSignerUnavailable.
type Signer interface {
	// Trust answers from memory once it was fetched, and is kept fresh by its
	// owner. Until the signer was heard for the first time it is an error.
	Trust(ctx context.Context) (Trust, error)
	// SignSession asks for a certificate for a person. asserted are the facts that the
	// role's rules look at, sorted by name.
	SignSession(ctx context.Context, b evidence.Bundle, asserted []policies.Assertion) (SignedCertificate, error)
	// Reissue asks for a certificate in the place of one whose key was withdrawn. It is
	// idempotent.
	Reissue(ctx context.Context, serial uint64) (SignedCertificate, error)
	// End says that nothing more may be signed for a request. It is idempotent.
	End(ctx context.Context, e Ending) error
	// Enrol pins a passkey; trust is fetched anew before it returns.
	Enrol(ctx context.Context, e evidence.EnrolmentEvidence) error
	// RemovePasskey takes a passkey out of the roster; trust is fetched anew before it
	// returns. A credential that is not in the roster is no error.
	RemovePasskey(ctx context.Context, credential string, by policies.Subject) error
	// Suspend makes somebody's passkeys and grants count for nothing; trust is
	// fetched anew before it returns. Somebody suspended already is no error.
	Suspend(ctx context.Context, s Suspension) error
	// ChangeRoster, ChangePolicy and TakeInventory hand over what is signed; trust
	// is fetched anew before they return. What the signer has already is no error.
	ChangeRoster(ctx context.Context, e evidence.ChangeEvidence) error
	ChangePolicy(ctx context.Context, e evidence.PolicyEvidence) error
	TakeInventory(ctx context.Context, e evidence.InventoryEvidence) error
	// ChallengeDevice asks for a challenge of the TPM that is said to hold a device's key.
	ChallengeDevice(ctx context.Context, e evidence.DeviceEvidence) (evidence.DeviceChallenge, error)
	// EnrolDevice takes a device's key, and BlockDevice makes it count for nothing;
	// trust is fetched anew before they return. A device that is blocked already is
	// no error. The answer is nil where a file holds the key.
	EnrolDevice(ctx context.Context, e evidence.DeviceEvidence, answer *evidence.DeviceAnswer) error
	BlockDevice(ctx context.Context, device string, by policies.Subject) error
	// Delegate takes a delegation, and EndDelegation makes one count for nothing; trust is
	// fetched anew before they return. Both are idempotent.
	Delegate(ctx context.Context, signed evidence.SignedByPasskey) error
	EndDelegation(ctx context.Context, digest string, by policies.Subject) error
	// Review closes the review of an emergency, and gives the one that closed it: another
	// where somebody was faster.
	Review(ctx context.Context, signed evidence.SignedByPasskey) (evidence.SignedByPasskey, error)
	// Presence says that whose session it is is there.
	Presence(ctx context.Context, signed evidence.SignedByPasskey) error
	// RotateKeys replaces keys of the signer's at once; trust is fetched anew before it
	// returns. Purpose is one of evidence's Purpose constants, or all.
	RotateKeys(ctx context.Context, purpose, reason string, by policies.Subject) error
}

// SignedCertificate is the signer's answer to SignSession.
type SignedCertificate struct {
	Certificate string // authorized_keys form
	Serial      uint64
	Ends        time.Time
	// Used is when the first certificate of the grant was issued, by the signer's clock.
	Used  time.Time
	Proof evidence.Proof
}

// Store keeps everything. Write transactions run one after the other, over all
// brokers on one database: what a Tx reads is true until it commits. If fn
// returns an error nothing is stored. fn may run more than once, so it changes
// nothing but what it was given and what it sets anew each time.
type Store interface {
	Read(ctx context.Context, fn func(Reader) error) error
	Write(ctx context.Context, fn func(Tx) error) error
	// ExtendLeases notes renewed leases of live sessions. It is no transition:
	// it runs beside the write transactions and leaves no audit event.
	ExtendLeases(ctx context.Context, sessions []string, until time.Time) error
}

// Reader reads. A single thing that is not there is ErrNoRow.
type Reader interface {
	RequestReader
	SessionReader
	KeepingReader
	PeopleReader
	ChangeReader
	DeviceReader
	FleetReader
	DelegationReader
	AuditReader
	AlarmReader
}

// Tx reads and writes in one transaction.
type Tx interface {
	Reader
	RequestWriter
	SessionWriter
	KeepingWriter
	PeopleWriter
	AlarmWriter
	ChangeWriter
	DeviceWriter
	FleetWriter
	DelegationWriter
	// Append makes the event the audit log's next leaf and gives its index.
	Append(e AuditEvent) (int64, error)
}

// RequestReader reads requests and what belongs to them.
type RequestReader interface {
	Request(id string) (Request, error)
	// RequestsByID gives those that exist, in no order; at most 1000 are asked for.
	RequestsByID(ids []string) ([]Request, error)
	// Requests lists by falling Number.
	Requests(q RequestQuery) ([]Request, error)
	// Refusals lists asks that were refused by falling Number: only numbers below before,
	// or from the newest where it is 0.
	Refusals(before int64, limit int) ([]Refusal, error)
	// RefusalsOf counts an identity's that were asked after since.
	RefusalsOf(who policies.Subject, since time.Time) (int, error)
	// Approvals lists those of one revision, in the order in which they were given.
	Approvals(request string, revision int) ([]Approval, error)
	// LiveGrants lists the grants in force at that moment whose requester has the
	// identity or the e-mail address of one of these, at least: whether they are the
	// same person is policy's to say. Addresses are compared without case, and an
	// empty one matches nobody.
	LiveGrants(of []policies.Person, now time.Time) ([]Request, error)
	// LiveGrantsAfter lists everybody's grants in force at that moment by rising Number,
	// from behind one on.
	LiveGrantsAfter(number int64, now time.Time, limit int) ([]Request, error)
	// OpenRequests lists what is pending or live, as LiveGrants does, whether or not
	// time has ended it.
	OpenRequests(of []policies.Person) ([]Request, error)
	// GrantsUsed lists grants of some roles under which a certificate was issued and that
	// ended, or will end, later than since; of the same requesters as LiveGrants.
	GrantsUsed(of []policies.Person, roles []string, since time.Time) ([]Request, error)
	// Agreements lists what these identities agreed to, themselves or through a delegate,
	// and that was first used after since.
	Agreements(of []policies.Subject, since time.Time) ([]policies.PastApproval, error)
	// OpenReviews lists emergencies that nobody has reviewed, the oldest first; of one
	// role, or of all where it is empty.
	OpenReviews(role string, limit int) ([]Request, error)
	// LastUsed is when a grant of a role was last used for the first time; ErrNoRow where
	// none was.
	LastUsed(role string) (time.Time, error)
	// Tellings lists a request's, oldest first.
	Tellings(request string) ([]Telling, error)
	// ToTell lists requests of which somebody is to be told by now, the longest overdue first.
	ToTell(now time.Time, limit int) ([]Request, error)
	// NextToTell is when the next one is due; ErrNoRow when none is.
	NextToTell() (time.Time, error)
	Certificate(serial uint64) (Certificate, error)
	// Certificates lists a request's, oldest first.
	Certificates(request string) ([]Certificate, error)
	// NewestCertificate is a request's that was issued last and handed out.
	NewestCertificate(request string) (Certificate, error)
	// Due lists requests that time has ended and nobody has written down, the
	// longest overdue first.
	Due(now time.Time, limit int) ([]Request, error)
	// NextDue is when the next one will be; ErrNoRow when none will.
	NextDue() (time.Time, error)
	// Endings lists those that the signer has not confirmed and whose next attempt is due.
	Endings(now time.Time, limit int) ([]Ending, error)
	// NextEnding is when the next attempt is due; ErrNoRow when none waits.
	NextEnding() (time.Time, error)
}

// RequestWriter changes requests and what belongs to them.
type RequestWriter interface {
	AddRequest(r Request) error
	AddRefusal(r Refusal) error
	// MoveRequest stores all that can change of r if its row is still in state from and
	// of the same revision; else ErrRaced.
	MoveRequest(r Request, from State) error
	// AddApproval fails with ErrRowExists for a second one by the same approver.
	AddApproval(a Approval) error
	// AddAgreements notes who agreed to a request that is used from a time on.
	AddAgreements(request string, who []policies.Subject, at time.Time) error
	// AddTelling fails with ErrRowExists for one that was told already.
	AddTelling(t Telling) error
	AddCertificate(c Certificate) error
	// PutChallenge keeps the newest MostChallenges for a purpose, thing and person.
	PutChallenge(c Challenge) error
	// TakeChallenge reads and removes the one with this very statement.
	TakeChallenge(purpose, about string, person policies.Subject, statement string) (Challenge, error)
	AddEnding(e Ending) error
	// DelayEnding stores attempts and next attempt.
	DelayEnding(e Ending) error
	// SettleEnding marks it confirmed; ErrRaced when it was already.
	SettleEnding(request string, at time.Time) error
}

// RequestQuery selects requests. Zero fields select everything.
type RequestQuery struct {
	Requester policies.Subject
	Role      string
	States    []State
	Before    int64 // only numbers below; 0: from the newest
	Limit     int   // 1 to MaxPage
}

// MaxPage bounds every list.
const MaxPage = 200

// SessionReader reads sessions.
type SessionReader interface {
	Session(id string) (Session, error)
	// SessionsByID gives those that exist, in no order; at most 1000 are asked for.
	SessionsByID(ids []string) ([]Session, error)
	// Sessions lists live ones first, and each kind by falling Number.
	Sessions(q SessionQuery) ([]Session, error)
	// LeaseLost lists live sessions whose lease ended before that moment.
	LeaseLost(before time.Time, limit int) ([]Session, error)
	// Seals lists a recording's, by rising sequence, from one sequence on.
	Seals(session string, from int64, limit int) ([]Seal, error)
}

// SessionWriter changes sessions.
type SessionWriter interface {
	AddSession(s Session) error
	// OfferExtension and ExtendSession store Session.Offer and Session.Extension of a live
	// session; else ErrRaced.
	OfferExtension(id, request string) error
	// NotePresence stores Session.Present, unless a later one is there.
	NotePresence(id string, at time.Time) error
	ExtendSession(id, request string) error
	// KillSession stores reason and person on a live session; else ErrRaced.
	KillSession(id, reason string, by policies.Person) error
	// FinishSession stores end, reason and bytes if the session still ended when
	// s says it did before (zero: was live); else ErrRaced.
	FinishSession(s Session, before time.Time) error
	// AddSeal fails with ErrRowExists if there is one with its sequence.
	AddSeal(session string, s Seal) error
}

// SessionQuery selects sessions. Zero fields select everything.
type SessionQuery struct {
	Request   string // that opened it, or whose grant it goes on under
	Requester policies.Subject
	Target    string
	Live      *bool
	// After continues behind a session that was listed before.
	After *SessionPlace
	Limit int // 1 to MaxPage
}

// SessionPlace is a session's place in a list.
type SessionPlace struct {
	Live   bool
	Number int64
}

// PeopleReader reads what is known of people and their keys.
type PeopleReader interface {
	Person(s policies.Subject) (KnownPerson, error)
	// People lists who has signed in, by issuer and subject.
	People(q PeopleQuery) ([]KnownPerson, error)
	// Suspension is the newest of an identity, lifted or not.
	Suspension(of policies.Subject) (Suspension, error)
	// Suspensions lists those that the signer has not confirmed and whose next
	// attempt is due.
	Suspensions(now time.Time, limit int) ([]Suspension, error)
	// SignIn finds by the hash of the token.
	SignIn(token [32]byte) (SignIn, error)
	Passkey(credential string) (Passkey, error)
	Passkeys(owner policies.Subject) ([]Passkey, error)
	Enrolment(id string) (Enrolment, error)
	// Enrolments lists by falling Number.
	Enrolments(q EnrolmentQuery) ([]Enrolment, error)
	Confirmation(code string) (Confirmation, error)
}

// PeopleWriter changes what is known of people and their keys.
type PeopleWriter interface {
	// PutPerson stores name, e-mail, groups and LastSeen, and for somebody new
	// the handle and FirstSeen too.
	PutPerson(p KnownPerson) error
	// PutSuspension takes the place of an earlier one of the identity.
	PutSuspension(s Suspension) error
	AddSignIn(s SignIn) error
	// BindIDToken binds a token to a login key. It fails with ErrRowExists if it
	// is bound to another.
	BindIDToken(token IDToken, loginKey string) error
	// RemoveSignIn says whether there was one.
	RemoveSignIn(token [32]byte) (bool, error)
	// AddPasskey fails with ErrRowExists for a credential that is registered already.
	AddPasskey(p Passkey) error
	RenamePasskey(credential, name string) error
	RemovePasskey(credential string) error
	PasskeyUsed(credential string, at time.Time) error
	AddEnrolment(e Enrolment) error
	// MoveEnrolment stores state and possession if the row is still in state from; else ErrRaced.
	MoveEnrolment(e Enrolment, from EnrolmentState) error
	AddConfirmation(c Confirmation) error
	// ConfirmLogin stores the signature if there is none yet; else ErrRaced.
	ConfirmLogin(c Confirmation) error
}

// PeopleQuery selects people. Zero fields select everything.
type PeopleQuery struct {
	Person string           // the subject, or the e-mail address without case
	After  policies.Subject // continues behind an identity that was listed before
	Limit  int              // 1 to MaxPage
}

// EnrolmentQuery selects enrolments. Zero fields select everything.
type EnrolmentQuery struct {
	Person policies.Subject
	States []EnrolmentState
	Limit  int // 1 to MaxPage
}

// AuditReader reads the audit log.
type AuditReader interface {
	// AuditHead is the number of leaves and the time of the last, zero for none.
	AuditHead() (size int64, last time.Time, err error)
	// AuditEvents lists by falling index, or by rising if q.Oldest is set.
	AuditEvents(q AuditQuery) ([]AuditLeaf, error)
	// AuditRun lists by rising index, from one index on.
	AuditRun(from int64, limit int) ([]AuditLeaf, error)
}

// AuditQuery selects audit events. Zero fields select everything.
type AuditQuery struct {
	Request string
	Session string
	Before  int64 // only indexes below; 0: from the newest
	Oldest  bool  // the oldest first
	Limit   int   // 1 to MaxPage
}
