// Package analysis says what can be said of a policy and the people it is for: who may
// have a role and who agrees (WhoCan, WhatCan), how few people together get it
// (Collusion), what in the policy is dangerous, cannot work or is of no use (Lint), and
// what another policy would have decided (Backtest). It is pure, as policies is.
//
// # How few people get a role
//
// A request that is allowed has a requester and, for every seat of every stage that was
// asked for, another person who is not the requester. So the number is one more than
// there are seats, and two questions are left: how few seats the policy leaves, and
// whether there are people for all of them.
//
// How few seats there are hangs on the conditions alone. Each is evaluated as far as it
// depends on who asks, for which role, target and login, once for all requests that are
// alike to it (its text shows what it reads). What it says of anything else, such as the
// time, a ticket or an asserted fact, is taken to suit those who collude, and is listed in
// Way.Assumed: then the number is a lower bound. Without assumptions it is exact. Targets that
// an inventory may bring count as those that are there, and conditions on them suit too.
//
// Whether there are people for all seats is a matching of seats with people, found by
// augmenting paths, which need not look at anybody who is not seated but to see that they
// are free. It is tried for the fewest seats first; once for all requests that are alike to
// the conditions, as if everything that leads to a stage led there for all of them, which
// settles most of those that cannot be; then for each different set of groups that
// managers, owners and teams make of it; and then again without each requester who had a
// seat. People are linked as the policy links them, so that everybody counts once. Those who
// collude can wait: groups to which a stage escalates count, and what only time keeps apart
// (held and history) does not. A delegation in force lets the delegate sit in the place of the
// other, of whom only one may; choices of at most four are tried where seats stay empty. A
// delegation that those who collude make for the purpose gets them nothing, as whoever makes
// it could approve.
//
// Passkeys are cheap, groups are not. A requester's own confirmation asks for nobody else, and
// anybody can enrol a passkey that does no more than that; so it is taken to be there. Where
// approvers' passkeys must be attested, whoever speaks for the group by another one is counted
// too, where that takes fewer people: administrators sign a better passkey for the same groups
// without being part of it. Way.Assumed says who would enrol one. Who speaks for a group by
// no passkey does not count for it: to let them in is what administrators decide.
//
// Where nobody is known, people are imagined: enough in each group, and somebody who asks in
// whatever groups suit them, as far as no separation stands in their way. So the number is the
// least that it could be with any people: a gate that knows nobody errs to the small side.
//
// Administrators have two more ways to every role: as many as the quorum change the
// policy, or enrol approvers who do not exist.
//
// For 5,000 people and 300 roles with conditions, teams and owners all numbers take a few
// seconds. Tests hold them against trying all sets of people in small random worlds, each
// person doing all they can, with Bundle.Decide as the judge.
package analysis
