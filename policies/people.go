package policies

import (
	"slices"
	"strings"
	"unicode"
)

// People are known identities, found by what links them. It never changes, and any
// number of goroutines may use it; nil knows nobody. To ask it costs no more for many
// people than for few.
type People struct {
	all     []Person
	subject map[Subject][]int
	email   map[string][]int // by folded
}

// NewPeople makes the index. The slice becomes its own.
func NewPeople(known []Person) *People {
	people := &People{all: known, subject: map[Subject][]int{}, email: map[string][]int{}}
	for i, p := range known {
		people.subject[p.Subject] = append(people.subject[p.Subject], i)
		if p.Email != "" {
			people.email[folded(p.Email)] = append(people.email[folded(p.Email)], i)
		}
	}
	return people
}

// All lists them. The slice belongs to the index.
func (k *People) All() []Person {
	if k == nil {
		return nil
	}
	return k.all
}

// join appends to the identities of a person those of the known ones that belong to the
// same person as the i-th of them, without any other between: those that b.SamePerson
// would find.
func (k *People) join(b *Bundle, found []Person, i int) []Person {
	of := found[i]
	found = k.add(found, k.subject[of.Subject])
	if of.Email != "" {
		found = k.add(found, k.email[folded(of.Email)])
	}
	for _, alias := range b.aliases(of.Subject) {
		found = k.add(found, k.subject[alias])
	}
	return found
}

// add appends those that are not there. One may be there under the same subject, with
// another address.
func (k *People) add(found []Person, places []int) []Person {
	for _, place := range places {
		other := &k.all[place]
		if !slices.ContainsFunc(found, func(f Person) bool { return f.Subject == other.Subject && f.Email == other.Email }) {
			found = append(found, *other)
		}
	}
	return found
}

// Marks are what an identity is found by. Two identities belong to one person as
// SamePerson tells it exactly where the Marks of the one and b.MarksOf the other have
// one in common: whoever keeps people by their marks finds them at once.
func Marks(p Person) []string {
	marks := []string{"subject " + p.Subject.String()}
	if p.Email != "" {
		marks = append(marks, "email "+folded(p.Email))
	}
	return marks
}

// MarksOf are the marks of an identity and of its aliases.
func (b *Bundle) MarksOf(p Person) []string {
	marks := Marks(p)
	for _, alias := range b.aliases(p.Subject) {
		if alias != p.Subject {
			marks = append(marks, "subject "+alias.String())
		}
	}
	return marks
}

// folded is the same for all texts that strings.EqualFold takes for equal.
func folded(text string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || r < 'A' {
			return r
		}
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		if 'A' <= least && least <= 'Z' {
			return least + 'a' - 'A'
		}
		return least
	}, text)
}
