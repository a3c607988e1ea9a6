package analysis

import (
	"slices"
	"strconv"

	"stint/policies"
)

// Analysis answers questions about a policy and its people. It never changes, and any
// number of goroutines may use it.
type Analysis struct {
	bundle     *policies.Bundle
	population *Population
	abstract   bool // nobody is known: there are people in whatever groups suit them
	known      *policies.People
	someone    []someone
	number     map[policies.Subject]int // whose an identity is, in someone
	wide       [][]string               // of each identity of the population: its groups by the ID token, and all of the person's in the roster
	sets       []int                    // likewise, a number that is the same for the same groups
	member     [][]byte                 // likewise, for each team whether it is a member of it
	manages    [][]byte                 // likewise, whether the person manages it
	askers     map[string][]int         // by group of the ID token: identities
	voters     map[string][]int         // by group of the roster: whose passkeys speak for it, in someone
	delegated  []delegated
	unattested bool // some passkey is
}

// someone is one person, under all identities that the policy links.
type someone struct {
	identities []int // in the population
	roster     []string
	passkeys   []Passkey
}

// delegated is a delegation between two people that its delegate can use.
type delegated struct {
	from, to int
	identity policies.Subject // of from
	by       policies.Subject // of to
	groups   []string
	attested bool // by an attested passkey of to's
}

// New prepares an analysis. Without a population (nil) every group that the policy names
// is taken to have enough people, and whoever asks to be in whatever groups suit them. What
// is said then is the least of what could be said with any population.
func New(bundle *policies.Bundle, population *Population) *Analysis {
	a := &Analysis{bundle: bundle, population: population, abstract: population == nil,
		number: map[policies.Subject]int{}, askers: map[string][]int{}, voters: map[string][]int{}}
	if a.abstract {
		a.population = everybody(bundle)
	}
	a.link()
	a.gather()
	a.delegate()
	return a
}

// link finds which identities are one person's. As for the signer, those in the roster link
// others, and nobody else does: more links would make the numbers too great.
func (a *Analysis) link() {
	people := a.population.People()
	place := make(map[policies.Subject]int, len(people))
	var pinned []policies.Person
	for i, p := range people {
		place[p.Subject] = i
		if p.pinned() {
			pinned = append(pinned, p.Person)
		}
	}
	a.known = policies.NewPeople(pinned)
	for _, first := range []bool{true, false} { // those in the roster, and those outside
		for i, p := range people {
			if first == p.pinned() {
				a.linkOne(people, place, i)
			}
		}
	}
}

func (a *Analysis) linkOne(people []Person, place map[policies.Subject]int, i int) {
	if _, done := a.number[people[i].Subject]; done {
		return
	}
	own := a.bundle.Identities(people[i].Person, a.known)
	n := len(a.someone)
	for _, other := range own {
		if number, done := a.number[other.Subject]; done {
			n = number
			break
		}
	}
	if n == len(a.someone) {
		a.someone = append(a.someone, someone{})
	}
	one := &a.someone[n]
	for _, other := range own {
		if _, done := a.number[other.Subject]; done {
			continue
		}
		a.number[other.Subject] = n
		known := people[place[other.Subject]]
		one.identities = append(one.identities, place[other.Subject])
		one.passkeys = append(one.passkeys, known.Passkeys...)
		one.roster = append(one.roster, known.Roster...)
	}
}

// gather finds who is in which group.
func (a *Analysis) gather() {
	for i := range a.someone {
		one := &a.someone[i]
		spoken := map[string]bool{}
		for _, k := range one.passkeys {
			a.unattested = a.unattested || !k.Attested
			for _, g := range k.Groups {
				if !spoken[g] {
					spoken[g] = true
					a.voters[g] = append(a.voters[g], i)
				}
			}
			one.roster = append(one.roster, k.Groups...)
		}
		one.roster = plainly(one.roster)
	}
	people := a.population.People()
	a.wide, a.sets = make([][]string, len(people)), make([]int, len(people))
	sets := map[string]int{}
	for i, p := range people {
		own := plainly(p.Groups)
		a.wide[i] = plainly(slices.Concat(own, a.someone[a.whose(i)].roster))
		key := signature(own) + "/" + signature(a.wide[i])
		if _, ok := sets[key]; !ok {
			sets[key] = len(sets)
		}
		a.sets[i] = sets[key]
		for _, g := range own {
			a.askers[g] = append(a.askers[g], i)
		}
	}
	a.member, a.manages = make([][]byte, len(people)), make([][]byte, len(people))
	for _, team := range a.bundle.Teams() {
		for i, p := range people {
			a.member[i] = append(a.member[i], bit(meets(team.Members, p.Groups)))
			a.manages[i] = append(a.manages[i], bit(meets(team.Managers, a.wide[i])))
		}
	}
}

// plainly is a list sorted, with each text once.
func plainly(list []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

// delegate keeps the delegations that somebody can use.
func (a *Analysis) delegate() {
	for _, d := range a.population.Delegations() {
		from, knowsFrom := a.number[d.From]
		to, knowsTo := a.number[d.To]
		if !knowsFrom || !knowsTo || from == to {
			continue
		}
		use := delegated{from: from, to: to, identity: d.From, by: d.To}
		for _, k := range a.identity(d.From).Passkeys {
			for _, g := range k.Groups {
				if slices.Contains(d.Groups, g) && !slices.Contains(use.groups, g) {
					use.groups = append(use.groups, g)
				}
			}
		}
		passkeys := a.identity(d.To).Passkeys
		use.attested = slices.ContainsFunc(passkeys, func(k Passkey) bool { return k.Attested })
		if len(passkeys) > 0 && len(use.groups) > 0 {
			a.delegated = append(a.delegated, use)
		}
	}
}

// identity is somebody of the population.
func (a *Analysis) identity(s policies.Subject) Person {
	return a.population.people[a.population.subjects[s]]
}

// signature is the same for equal lists, and different for others.
func signature(list []string) string {
	var key []byte
	for _, text := range list {
		key = strconv.AppendInt(key, int64(len(text)), 10)
		key = append(append(key, ':'), text...)
	}
	return string(key)
}

// meets tells whether two lists share something.
func meets(a, b []string) bool {
	return slices.ContainsFunc(a, func(text string) bool { return slices.Contains(b, text) })
}
