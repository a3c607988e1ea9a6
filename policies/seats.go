package policies

import (
	"math"
	"math/bits"
	"slices"
	"time"
)

// hall is everybody who approved and may count, in the order in which they did.
//
// Who sits where is chosen so that as many places as possible are taken, at the
// earliest moment that they could be. What that means:
//
//   - A person takes one place at most, and only at a stage that takes an approval of theirs.
//   - A stage that comes after others takes the approvals that were given since
//     enough people had approved to fill those others, and what these come after. Statements
//     know seconds only: of the approvals of one second each counts as given last.
//   - Who approves on behalf of another makes one circle with them: of the two, one place is
//     taken at most, whoever of them approves, and for whom. Of the first mostLooked who
//     approve on behalf of others mostDelegated take places.
//   - Where those who changed the role's rules lately may not be its only approvers, the
//     last place is not theirs unless somebody else sits.
//
// Each of these only ever asks what could be with the approvals up to some moment, so one approval
// more never takes a place away.
type hall struct {
	stages []askedStage
	votes  []vote
	voters []voter // in the order of their first votes
	asked  time.Duration
	since  time.Time // when it was asked for
	apart  bool      // those who changed the rules are not the only ones
}

// vote is one approval with the places (bits) among the stages that it fits.
type vote struct {
	*Approval
	voter int
	fits  uint64
}

// voter is a person in their own right, or one on behalf of another.
type voter struct {
	person, other int  // numbers of people; other is -1 where they speak for themselves
	first         int  // their first vote
	changed       bool // the role's rules, lately
}

const (
	// mostDelegated is how many approvals on behalf of others one request counts.
	mostDelegated = 4
	// mostLooked is among how many of them it looks for the best: every choice is tried.
	mostLooked = 16
)

// seating is one choice of who takes part, with who sits where.
type seating struct {
	hall    *hall
	absent  []bool // of voters
	ready   []turn // of stages
	wanted  int    // places there are
	filling uint64 // in which stages

	places [][]int  // places[i] holds voters, in the order in which they first approved
	seats  []int    // of voters; -1: none
	edges  []uint64 // the stages that voters fit by the votes taken so far
	taken  int
	last   int // the vote that filled the last place, or noVote
}

// noVote stands where there is no vote.
const noVote = -1

func (s *seating) full() bool { return s.taken == s.wanted }

// seat finds the best seating: that with the most places taken, then the earliest; of
// equals the first in the order of voters, with as few as possible on behalf of others.
func (h *hall) seat() *seating {
	absent := make([]bool, len(h.voters))
	var delegated []int
	for i := range h.voters {
		if h.voters[i].other >= 0 {
			absent[i], delegated = true, append(delegated, i)
		}
	}
	delegated = delegated[:min(len(delegated), mostLooked)]
	best := h.seatWith(slices.Clone(absent))
	var chosen []int
	var choose func(from int)
	choose = func(from int) {
		for k := from; k < len(delegated) && len(chosen) < mostDelegated; k++ {
			// Who comes after the last place was taken brings nothing forward.
			late := best.full() && h.voters[delegated[k]].first > best.last
			if late || slices.ContainsFunc(chosen, func(c int) bool { return h.voters[c].meets(&h.voters[delegated[k]]) }) {
				continue
			}
			chosen = append(chosen, delegated[k])
			for i := range h.voters {
				absent[i] = !slices.Contains(chosen, i) && (h.voters[i].other >= 0 ||
					slices.ContainsFunc(chosen, func(c int) bool { return h.voters[c].meets(&h.voters[i]) }))
			}
			s := h.seatWith(slices.Clone(absent))
			if s.taken > best.taken || s.taken == best.taken && s.last < best.last {
				best = s
			}
			choose(k + 1)
			chosen = chosen[:len(chosen)-1]
		}
	}
	choose(0)
	for _, places := range best.places {
		slices.Sort(places)
	}
	return best
}

// meets tells whether two voters have a person in common.
func (v *voter) meets(w *voter) bool {
	return v.person == w.person || v.other >= 0 && v.other == w.person || w.other >= 0 && (w.other == v.person || w.other == v.other)
}

// seatWith seats those who are not absent.
func (h *hall) seatWith(absent []bool) *seating {
	// The fewer a stage waits for, the earlier its turn: those that it waits for wait for less.
	ready, turns := make([]turn, len(h.stages)), make([]int, 0, len(h.stages))
	for waits := range len(h.stages) {
		for i := range h.stages {
			if bits.OnesCount64(h.stages[i].after) == waits {
				turns = append(turns, i)
			}
		}
	}
	for i := range ready {
		ready[i].from = never
	}
	for _, i := range turns {
		switch stage := &h.stages[i]; {
		case stage.never:
		case stage.after == 0:
			ready[i].from = 0
		default:
			if before := h.fill(stage.after, absent, ready, noVote, noVote); before.full() {
				ready[i] = h.turnAfter(before)
			}
		}
	}
	every := uint64(math.MaxUint64)
	s := h.fill(every, absent, ready, noVote, noVote)
	if !h.apart || !s.full() || s.taken == 0 || !s.onlyChanged() {
		return s
	}
	// Whoever did not change the rules, and fits anywhere at all, can be seated without
	// taking a place from the count: somebody else stands up for them.
	for k := range h.votes {
		if v := h.votes[k].voter; !h.voters[v].changed && !absent[v] && s.open(k) != 0 {
			return h.fill(every, absent, ready, k, noVote)
		}
	}
	s.unseatLatest()
	return s
}

// never is behind every vote.
const never = math.MaxInt

// turn says which votes a stage takes: those from one on, and some of the same second.
type turn struct {
	from int // past the last vote: none
	also []int
}

func (t turn) takes(k int) bool { return k >= t.from || slices.Contains(t.also, k) }

// turnAfter is the turn of a stage that waits for others, which are full in a seating:
// since the vote that filled them, and of that second since whatever other votes would.
func (h *hall) turnAfter(before *seating) turn {
	t := turn{from: before.last + 1}
	if before.last == noVote {
		return t
	}
	filled := h.votes[before.last].Issued
	for k := before.last; k >= 0 && !h.votes[k].Issued.Before(filled); k-- {
		others := h.fill(before.filling, before.absent, before.ready, noVote, k)
		if others.full() && !h.votes[others.last].Issued.After(filled) {
			t.also = append(t.also, k)
		}
	}
	return t
}

// fill takes one vote after the other, until no place among the stages filling is left. The vote
// first, where there is one, is taken before all others; it is as late as it is. The vote
// without is not taken.
func (h *hall) fill(filling uint64, absent []bool, ready []turn, first, without int) *seating {
	s := &seating{hall: h, absent: absent, ready: ready, filling: filling, last: noVote}
	s.places, s.seats, s.edges = make([][]int, len(h.stages)), make([]int, len(h.voters)), make([]uint64, len(h.voters))
	for i := range h.stages {
		if filling&(1<<i) != 0 || i >= mostAsked {
			s.wanted += h.stages[i].Count
		}
	}
	for v := range s.seats {
		s.seats[v] = -1
	}
	if first != noVote {
		s.take(first)
	}
	for k := 0; k < len(h.votes) && !s.full(); k++ {
		if k != first && k != without {
			s.take(k)
		}
	}
	return s
}

// open has a bit for each stage that takes the vote.
func (s *seating) open(k int) uint64 {
	open := s.hall.votes[k].fits
	for left := open; left != 0; left &= left - 1 {
		if i := bits.TrailingZeros64(left); !s.ready[i].takes(k) {
			open &^= 1 << i
		}
	}
	return open
}

// take adds a vote. Whenever it makes it possible to fill one place more, that is filled,
// if need be by moving those already seated to other stages of theirs; nobody
// seated ever loses a place altogether. So the number of places taken is the
// greatest there is: an augmenting path is found whenever one exists.
func (s *seating) take(k int) {
	v := s.hall.votes[k].voter
	edges := s.edges[v] | s.open(k)&s.filling
	if s.absent[v] || edges == s.edges[v] {
		return
	}
	s.edges[v] = edges
	for u := range s.seats {
		if s.seats[u] < 0 && s.edges[u] != 0 {
			if tried := uint64(0); s.place(u, &tried) {
				s.taken++
				s.last = max(s.last, k)
				return
			}
		}
	}
}

// place finds a voter a place, at a stage that was not tried yet: a free one if
// there is one, else one whose holder can move.
func (s *seating) place(v int, tried *uint64) bool {
	for left := s.edges[v] &^ *tried; left != 0; left &= left - 1 {
		if i := bits.TrailingZeros64(left); len(s.places[i]) < s.hall.stages[i].Count {
			s.places[i], s.seats[v] = append(s.places[i], v), i
			return true
		}
	}
	for left := s.edges[v] &^ *tried; left != 0; left &= left - 1 {
		i := bits.TrailingZeros64(left)
		if *tried&(1<<i) != 0 {
			continue
		}
		*tried |= 1 << i
		for n, holder := range s.places[i] {
			if s.place(holder, tried) {
				s.places[i][n], s.seats[v] = v, i
				return true
			}
		}
	}
	return false
}

// onlyChanged tells whether everybody seated changed the role's rules lately.
func (s *seating) onlyChanged() bool {
	for v, i := range s.seats {
		if i >= 0 && !s.hall.voters[v].changed {
			return false
		}
	}
	return true
}

// unseatLatest takes the place of whoever seated approved first the latest.
func (s *seating) unseatLatest() {
	for v := len(s.seats) - 1; v >= 0; v-- {
		if i := s.seats[v]; i >= 0 {
			s.places[i] = slices.DeleteFunc(s.places[i], func(w int) bool { return w == v })
			s.seats[v] = -1
			s.taken--
			return
		}
	}
}

// seatedVote is the first approval of a seated voter that their stage took.
func (s *seating) seatedVote(v int) int {
	for k := range s.hall.votes {
		if s.hall.votes[k].voter == v && s.open(k)&(1<<s.seats[v]) != 0 {
			return k
		}
	}
	panic("policies: a voter is seated without a vote")
}

// filled is when the last place was taken: with the last approval that filled one. Where
// nobody needs to agree it is when it was asked for; zero while no place is taken.
func (s *seating) filled() time.Time {
	switch {
	case s.wanted == 0:
		return s.hall.since
	case s.last == noVote:
		return time.Time{}
	}
	return s.hall.votes[s.last].Issued
}

// agreed is the shortest duration that anybody seated had agreed to when the last place
// was taken; what was asked for where nobody is.
func (s *seating) agreed() time.Duration {
	shortest := s.hall.asked
	for k := range s.hall.votes {
		if a := &s.hall.votes[k]; k <= s.last && s.seats[a.voter] >= 0 {
			shortest = min(shortest, a.Duration)
		}
	}
	return shortest
}
