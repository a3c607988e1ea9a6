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

// linked lists the known identities that belong to the same person as p without any
// other between them: those that b.SamePerson would find.
func (k *People) linked(b *Bundle, p Person) []Person {
	if k == nil {
		return nil
	}
	places := k.subject[p.Subject]
	if p.Email != "" {
		places = slices.Concat(places, k.email[folded(p.Email)])
	}
	for _, alias := range b.aliases(p.Subject) {
		places = slices.Concat(places, k.subject[alias])
	}
	var found []Person
	for _, i := range places {
		found = append(found, k.all[i])
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
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, text)
}
