package signer

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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

	keys   evidence.KeysEntry   // the signer's own public keys
	issued []evidence.IssuerKey // every key that the provider ever had, as first seen
	inUse  []evidence.IssuerKey // those that it has now

	roster   evidence.Roster
	enrolled map[string]place // by credential
	removed  map[string]int64 // entry of the removal, by credential

	policy   evidence.PolicyEntry
	bundle   *policies.Bundle // of policy; nil where this version cannot load it
	version  int              // counts changes of roster, provider's keys and policy
	believed int64            // the last entry that was such a change

	grants  map[string]*grant // by request
	live    map[string]*grant // those of grants that may not be over
	endings map[string]int64  // entry of the ending, by request
	hosts   map[string]hosted // last host certificate, by proxy
}

// place is an entry and the digest of the statement that made it.
type place struct {
	index  int64
	digest string
}

// grant is what was activated under one request.
type grant struct {
	request   string
	revision  int
	digest    string // of the revision's request statement
	requester policies.Person
	role      string
	principal string
	ends      time.Time
	last      int64             // the last Session entry
	sessions  map[string]issued // by session key, of the last revision
}

type issued struct {
	index int64
	ends  time.Time
}

type hosted struct {
	index int64
	entry evidence.HostEntry
}

func newState(issuer string) *state {
	return &state{
		issuer: issuer, believed: -1,
		enrolled: map[string]place{}, removed: map[string]int64{},
		grants: map[string]*grant{}, live: map[string]*grant{}, endings: map[string]int64{}, hosts: map[string]hosted{},
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
	var changes []func()
	plan := func(change func(), planErr error) {
		changes = append(changes, change)
		err = errors.Join(err, planErr)
	}
	if e.Session != nil {
		plan(s.foldSession(index, e.Session))
	}
	if e.Target != nil {
		plan(func() {}, nil)
	}
	if e.Host != nil {
		plan(func() { s.hosts[e.Host.Proxy] = hosted{index, *e.Host} }, nil)
	}
	if e.Enrolment != nil {
		plan(s.foldEnrolment(index, e.Enrolment, e.Time))
	}
	if e.Removal != nil {
		plan(s.foldRemoval(index, e.Removal, e.Time))
	}
	if e.Ending != nil {
		plan(s.foldEnding(index, e.Ending), nil)
	}
	if e.Refusal != nil {
		plan(func() {}, nil)
	}
	if e.Keys != nil {
		plan(s.foldKeys(e.Keys), nil)
	}
	if e.Policy != nil {
		plan(s.foldPolicy(e.Policy), nil)
	}
	if len(changes) != 1 {
		return nil, fmt.Errorf("it records %d things, not one", len(changes))
	}
	if err != nil {
		return nil, err
	}
	return func() {
		version := s.version
		changes[0]()
		s.entries, s.last = index+1, e.Time
		if s.version != version {
			s.believed = index
		}
	}, nil
}

func (s *state) foldSession(index int64, e *evidence.SessionEntry) (func(), error) {
	request, err := evidence.DecodeAs[*evidence.Request](e.Bundle.Request)
	if err != nil {
		return nil, fmt.Errorf("its request statement: %w", err)
	}
	requester, err := tokenHolder(s.issuer, e.Bundle.Login)
	if err != nil {
		return nil, fmt.Errorf("its ID token: %w", err)
	}
	return func() {
		g := s.grants[e.Request]
		if g == nil {
			g = &grant{request: e.Request}
			s.grants[e.Request] = g
		}
		if g.revision != request.Revision {
			g.sessions = map[string]issued{}
		}
		g.revision, g.digest = request.Revision, evidence.Digest(e.Bundle.Request)
		g.requester, g.role, g.principal, g.ends = requester, e.Role, e.Principal, e.Ends
		g.last = index
		g.sessions[e.SessionKey] = issued{index, e.Ends}
		s.live[e.Request] = g
	}, nil
}

func (s *state) foldEnrolment(index int64, e *evidence.EnrolmentEntry, at time.Time) (func(), error) {
	roster, credential, err := enrol(s.roster, e, at)
	if err != nil {
		return nil, err
	}
	return func() {
		s.roster = roster
		s.enrolled[credential] = place{index, evidence.Digest(e.Evidence.Statement)}
		s.version++
	}, nil
}

func (s *state) foldRemoval(index int64, e *evidence.RemovalEntry, at time.Time) (func(), error) {
	roster, ok := s.roster.Remove(e.Credential, at)
	if !ok {
		return nil, errors.New("it removes a passkey that is not in the roster")
	}
	return func() {
		s.roster = roster
		s.removed[e.Credential] = index
		s.version++
	}, nil
}

func (s *state) foldEnding(index int64, e *evidence.EndingEntry) func() {
	return func() {
		if _, ended := s.endings[e.Request]; !ended {
			s.endings[e.Request] = index
		}
		delete(s.live, e.Request)
	}
}

// foldKeys takes over the lists that the entry states; an empty one changes nothing.
func (s *state) foldKeys(e *evidence.KeysEntry) func() {
	return func() {
		if len(e.Keys) > 0 {
			s.keys.Keys = e.Keys
		}
		if e.Log != "" {
			s.keys.Log = e.Log
		}
		if len(e.Issuer) > 0 {
			s.inUse = e.Issuer
			all := slices.Clone(s.issued)
			for _, key := range e.Issuer {
				if !slices.ContainsFunc(all, func(known evidence.IssuerKey) bool { return known.JWK == key.JWK }) {
					all = append(all, key)
				}
			}
			s.issued = all
		}
		s.version++
	}
}

// foldPolicy loads the policy. One that this version refuses is in force all the
// same, and allows nothing, until the policy directory has a better one.
func (s *state) foldPolicy(e *evidence.PolicyEntry) func() {
	bundle, err := policies.Parse(e.Files)
	if err != nil || bundle.Digest() != e.Digest {
		bundle = nil
	}
	return func() {
		s.policy, s.bundle = *e, bundle
		s.version++
	}
}

// held lists the live grants of a person, whichever of their identities asked,
// other than the one under a request. It is in the order of request ids, so that
// the same state gives the same list.
func (s *state) held(policy *policies.Bundle, person policies.Person, except string, now time.Time) []policies.Held {
	held := []policies.Held{}
	for id, g := range s.live {
		if !now.Before(g.ends) {
			delete(s.live, id)
			continue
		}
		if id != except && policy.SamePerson(g.requester, person) {
			held = append(held, policies.Held{Request: id, Role: g.role})
		}
	}
	slices.SortFunc(held, func(a, b policies.Held) int { return strings.Compare(a.Request, b.Request) })
	return held
}

// administrators counts the people who can sign an enrolment.
func administrators(roster evidence.Roster, now time.Time) (n int) {
	for _, p := range roster.People {
		if slices.ContainsFunc(p.Passkeys, func(k evidence.Passkey) bool {
			return k.Active(now) && slices.Contains(p.With(k).Groups, policies.AdministratorsGroup)
		}) {
			n++
		}
	}
	return n
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
