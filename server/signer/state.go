package signer

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"stint/policies"
	"stint/server/border"
	"stint/server/evidence"
)

// state is what the ledger's entries amount to. It changes by fold alone, and
// only under the book's mutex. The slices and maps that reach the outside are
// replaced, never written to, so that a snapshot stays what it was.
type state struct {
	issuer string // the provider whose tokens the entries hold

	entries int64     // entries folded
	last    time.Time // of the last entry

	// beliefs are what Verify depends on: keys, roster, policy and inventories.
	beliefs evidence.Beliefs
	// By which the same call made again is known.
	statements map[string]int64           // entry of an enrolment, change, policy or inventory, by its statement's digest
	removed    map[string]int64           // entry of the removal, by credential
	suspended  map[policies.Subject]int64 // entry of the last suspension, by person
	blocked    map[string]int64           // entry of the block, by device
	// Entry of the early end, by the digest of the delegation's statement.
	delegations map[string]int64
	targets     targetHistory // what became of the target CA's keys

	grants  map[string]*grant // by request, of its last revision
	endings map[string]int64  // entry of the ending, by request
	hosts   map[string]hosted // last host certificate, by proxy
	// Sessions that go on under another grant than they were opened with.
	extended map[liveSession]extended
	past     past

	signing signing // the keys that sign
}

// grant is what was activated under one revision of a request.
type grant struct {
	request   string
	revision  int
	digest    string // of the revision's request statement
	asked     evidence.Request
	requester policies.Person
	role      string
	principal string
	ends      time.Time
	used      time.Time         // the Now of the first Session entry
	ended     time.Time         // by an ending, or the next revision; zero: not so far
	marks     []string          // under which past has it
	entered   *entered          // the first Target entry; nil: there is none
	last      int64             // the last Session entry
	sessions  map[string]issued // by session key, of the last revision
	// When the requester last said that they are there, by the session that was opened
	// under it.
	present map[string]time.Time
}

type issued struct {
	index     int64
	ends      time.Time
	origin    int64  // the entry with the bundle; index, unless it was issued once more
	authority string // the user CA's key that signed when the entry was made
}

// liveSession is a session as a proxy names it.
type liveSession struct{ proxy, id string }

// extended is the grant that a session goes on under.
type extended struct {
	index   int64
	request string
	opened  string
}

// isLive tells whether the grant may be used at a moment.
func (g *grant) isLive(now time.Time) bool { return g.ended.IsZero() && now.Before(g.ends) }

// over is when the grant ended, or will.
func (g *grant) over() time.Time {
	if !g.ended.IsZero() {
		return earliest(g.ended, g.ends)
	}
	return g.ends
}

// next is what takes the place of a grant, which may be nil, with a revision that is first
// used now. What was had until then stays in the requester's past, and a single use is used.
func (g *grant) next(request string, now time.Time) *grant {
	next := &grant{request: request, used: now, sessions: map[string]issued{}}
	if g != nil {
		next.entered = g.entered
		if g.ended.IsZero() {
			g.ended = now
		}
	}
	return next
}

// entered is a certificate that let a proxy in.
type entered struct {
	index int64
	entry evidence.TargetEntry
}

type hosted struct {
	index int64
	entry evidence.HostEntry
}

func newState(config Config) *state {
	return &state{
		issuer:     config.Issuer.URL,
		beliefs:    evidence.NewBeliefs(config.Instance, config.Issuer.URL, config.Issuer.ClientID, config.RelyingParty, config.Origins),
		statements: map[string]int64{}, removed: map[string]int64{}, suspended: map[policies.Subject]int64{}, blocked: map[string]int64{},
		past: newPast(), delegations: map[string]int64{},
		grants: map[string]*grant{}, endings: map[string]int64{}, hosts: map[string]hosted{}, extended: map[liveSession]extended{},
		signing: signing{},
	}
}

// fold works out what an entry changes, and returns the change to make once the
// entry is in the ledger. An error means that the entry may not be there.
func (s *state) fold(index int64, e evidence.Entry) (change func(), err error) {
	if index != s.entries {
		return nil, fmt.Errorf("entry %d follows %d entries", index, s.entries)
	}
	if e.Time.Before(s.last) {
		return nil, fmt.Errorf("it is from %s, before the entry in front of it (%s)", e.Time, s.last)
	}
	// 1. What the signer believes from here on.
	beliefs, err := s.beliefs.Apply(index, e)
	if err != nil {
		return nil, err
	}
	// 2. What it remembers besides: an entry records one thing.
	var changes []func()
	for _, part := range []struct {
		there bool
		plan  func() (func(), error)
	}{
		{e.Session != nil, func() (func(), error) { return s.foldSession(index, e.Session) }},
		{e.Target != nil, func() (func(), error) { return s.foldTarget(index, e.Target), nil }},
		{e.Extension != nil, func() (func(), error) { return s.foldExtension(index, e.Extension) }},
		{e.Host != nil, func() (func(), error) {
			return func() { s.hosts[e.Host.Proxy] = hosted{index, *e.Host} }, nil
		}},
		{e.Ending != nil, func() (func(), error) { return s.foldEnding(index, e.Time, e.Ending), nil }},
		{e.Review != nil, func() (func(), error) { return s.foldReview(index, e.Review) }},
		{e.Presence != nil, func() (func(), error) { return s.foldPresence(index, e.Time, e.Presence) }},
		{e.Refusal != nil, nothing},
		{e.Removal != nil, func() (func(), error) { return func() { s.removed[e.Removal.Credential] = index }, nil }},
		{e.Suspension != nil, func() (func(), error) { return func() { s.suspended[e.Suspension.Person] = index }, nil }},
		{e.DeviceBlock != nil, func() (func(), error) { return func() { s.blocked[e.DeviceBlock.Device] = index }, nil }},
		{e.Keys != nil, func() (func(), error) { return func() { s.targets = s.targets.after(e.Keys) }, nil }},
		{e.DelegationEnd != nil, func() (func(), error) { return func() { s.delegations[e.DelegationEnd.Digest] = index }, nil }},
		{statementOf(e) != nil, func() (func(), error) { return s.foldStatement(index, e) }},
		{e.Policy != nil && e.Policy.Evidence == nil, nothing},
	} {
		if part.there {
			change, planErr := part.plan()
			changes, err = append(changes, change), errors.Join(err, planErr)
		}
	}
	if len(changes) != 1 {
		return nil, fmt.Errorf("it records %d things, not one", len(changes))
	}
	if err != nil {
		return nil, err
	}
	return func() {
		changes[0]()
		s.beliefs = beliefs
		s.signing.fold(index, e)
		s.entries, s.last = index+1, e.Time
	}, nil
}

func nothing() (func(), error) { return func() {}, nil }

// statementOf is the statement by which an entry changes what the signer believes;
// nil where there is none.
func statementOf(e evidence.Entry) *string {
	switch {
	case e.Enrolment != nil:
		return &e.Enrolment.Evidence.Statement
	case e.Change != nil:
		return &e.Change.Evidence.Statement
	case e.Policy != nil && e.Policy.Evidence != nil:
		return &e.Policy.Evidence.Statement
	case e.Inventory != nil:
		return &e.Inventory.Evidence.Statement
	case e.Device != nil:
		return &e.Device.Evidence.Statement
	case e.Delegation != nil:
		return &e.Delegation.Evidence.Statement
	}
	return nil
}

func (s *state) foldStatement(index int64, e evidence.Entry) (func(), error) {
	statement := *statementOf(e)
	suspends := func() {}
	if e.Change != nil {
		change, err := evidence.DecodeAs[*evidence.RosterChange](statement)
		if err != nil {
			return nil, fmt.Errorf("its roster statement: %w", err)
		}
		if change.Change == evidence.ChangeSuspend {
			suspends = func() { s.suspended[change.Person] = index }
		}
	}
	return func() {
		s.statements[evidence.Digest(statement)] = index
		suspends()
	}, nil
}

func (s *state) foldSession(index int64, e *evidence.SessionEntry) (func(), error) {
	authority := s.signing[evidence.PurposeUserCA].Current
	if e.Reissues != 0 {
		return s.foldReissue(index, e, authority)
	}
	request, err := evidence.DecodeAs[*evidence.Request](e.Bundle.Request)
	if err != nil {
		return nil, fmt.Errorf("its request statement: %w", err)
	}
	requester, err := tokenHolder(s.issuer, e.Bundle.Login)
	if err != nil {
		return nil, fmt.Errorf("its ID token: %w", err)
	}
	approvers, err := approversOf(e.Bundle)
	if err != nil {
		return nil, err
	}
	digest, now := evidence.Digest(e.Bundle.Request), e.Circumstances.Now
	return func() {
		g := s.grants[e.Request]
		if g == nil || g.revision != request.Revision {
			g = g.next(e.Request, now)
			s.grants[e.Request] = g
			s.past.agree(approvers, policies.PastApproval{Request: e.Request, Requester: e.Requester, At: now})
		}
		g.revision, g.digest, g.asked = request.Revision, digest, *request
		g.requester, g.role, g.principal, g.ends = requester, e.Role, e.Principal, e.Ends
		g.last = index
		g.sessions[e.SessionKey] = issued{index: index, ends: e.Ends, origin: index, authority: authority}
		s.past.use(g)
		if e.BreakGlass {
			s.past.alone(g, evidence.Emergency{Request: e.Request, Digest: digest, Role: e.Role, Requester: requester, Begun: now})
		}
	}, nil
}

// foldReissue puts a certificate in the place of the newest one for the same session
// key. The grant stays what it was.
func (s *state) foldReissue(index int64, e *evidence.SessionEntry, authority string) (func(), error) {
	var earlier issued
	g := s.grants[e.Request]
	if g != nil {
		earlier = g.sessions[e.SessionKey]
	}
	if g == nil || e.Reissues != serialOf(earlier.index) || !e.Ends.Equal(earlier.ends) || e.Principal != g.principal {
		return nil, fmt.Errorf("it issues the certificate %d once more, which is not the newest of its session key", e.Reissues)
	}
	return func() {
		g.sessions[e.SessionKey] = issued{index: index, ends: e.Ends, origin: earlier.origin, authority: authority}
	}, nil
}

// foldTarget remembers the first certificate that let a proxy in under a grant.
func (s *state) foldTarget(index int64, e *evidence.TargetEntry) func() {
	return func() {
		if g := s.grants[e.Request]; g != nil && g.entered == nil {
			g.entered = &entered{index, *e}
		}
	}
}

// foldExtension puts a session under another grant.
func (s *state) foldExtension(index int64, e *evidence.ExtensionEntry) (func(), error) {
	session := liveSession{e.Proxy, e.Session}
	now := e.Opened
	if known, ok := s.extended[session]; ok {
		now = known.request
	}
	g := s.grants[e.Request]
	if g == nil || now != e.Extends || g.principal != e.Principal {
		return nil, errors.New("it extends a session by a grant that is none, or in the place of one that it has not")
	}
	return func() {
		s.extended[session] = extended{index: index, request: e.Request, opened: e.Opened}
	}, nil
}

func (s *state) foldEnding(index int64, at time.Time, e *evidence.EndingEntry) func() {
	return func() {
		if _, ended := s.endings[e.Request]; !ended {
			s.endings[e.Request] = index
			if g := s.grants[e.Request]; g != nil {
				g.ended = at
			}
		}
	}
}

// foldReview closes an emergency. One that is closed already stays so.
func (s *state) foldReview(index int64, e *evidence.ReviewEntry) (func(), error) {
	review, err := evidence.DecodeAs[*evidence.Review](e.Evidence.Statement)
	if err != nil {
		return nil, fmt.Errorf("its review statement: %w", err)
	}
	one := s.past.emergencies[review.RequestDigest]
	if one == nil || one.Request != e.Request {
		return nil, errors.New("it reviews what nobody used")
	}
	return func() {
		s.statements[evidence.Digest(e.Evidence.Statement)] = index
		s.past.review(one, index)
	}, nil
}

// tokenHolder reads whom an ID token speaks of. It checks nothing: it is for
// tokens that were verified, or that are about to be.
func tokenHolder(issuer string, login *evidence.LoginBinding) (policies.Person, error) {
	if login == nil {
		return policies.Person{}, errors.New("there is none")
	}
	parts := strings.Split(login.IDToken, ".")
	if len(parts) != 3 {
		return policies.Person{}, errors.New("it is not a compact JWS")
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return policies.Person{}, errors.New("its claims are not base64url")
	}
	return evidence.PersonOf(issuer, claims)
}

// encodeEntry writes a leaf; decodeEntry reads one, and refuses a field that this
// version does not know: it might be the one that takes something away.
func encodeEntry(e evidence.Entry) ([]byte, error) { return json.Marshal(e) }

func decodeEntry(leaf []byte) (evidence.Entry, error) {
	var e evidence.Entry
	if err := border.DecodeStrict(leaf, &e); err != nil {
		return e, fmt.Errorf("it is not an entry of this version: %w", err)
	}
	return e, nil
}
