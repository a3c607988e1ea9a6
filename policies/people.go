package policies

import (
	"iter"
	"unicode"
	"unicode/utf8"
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

// as goes through those who are known by a subject.
func (k *People) as(s Subject) iter.Seq[*Person] {
	return func(yield func(*Person) bool) {
		if k != nil {
			k.at(k.subject[s], yield)
		}
	}
}

// linked goes through the known identities that belong to the same person as p without
// any other between them: those that b.SamePerson would find. It may name one twice.
func (k *People) linked(b *Bundle, p *Person) iter.Seq[*Person] {
	return func(yield func(*Person) bool) {
		if k == nil || !k.at(k.subject[p.Subject], yield) {
			return
		}
		if p.Email != "" {
			var folding [128]byte
			if !k.at(k.email[string(appendFolded(folding[:0], p.Email))], yield) {
				return
			}
		}
		for _, alias := range b.aliases(p.Subject) {
			if !k.at(k.subject[alias], yield) {
				return
			}
		}
	}
}

// at goes through those at some places, and says whether to go on.
func (k *People) at(places []int, yield func(*Person) bool) bool {
	for _, i := range places {
		if !yield(&k.all[i]) {
			return false
		}
	}
	return true
}

// folded is the same for all texts that strings.EqualFold takes for equal.
func folded(text string) string { return string(appendFolded(nil, text)) }

func appendFolded(to []byte, text string) []byte {
	for _, r := range text {
		switch {
		case 'a' <= r && r <= 'z':
			r -= 'a' - 'A'
		case r >= utf8.RuneSelf:
			least := r
			for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
				least = min(least, next)
			}
			r = least
		}
		to = utf8.AppendRune(to, r)
	}
	return to
}
