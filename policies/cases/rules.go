package cases

import "strings"

// kind is what there is to say of all rules of one kind, by the name that Decide gives
// them, without what follows a colon.
type kind struct {
	// refuses: no approval fulfils it.
	refuses bool
	// note: it tells of an approval, and is fulfilled or not for nobody.
	note bool
}

// kindOf is that of a rule. One that is new is taken to refuse.
func kindOf(rule string) kind {
	name, _, _ := strings.Cut(rule, ":")
	switch name {
	case "stage", "confirm", "allow":
		return kind{}
	case "approval", "independence":
		return kind{note: true}
	}
	return kind{refuses: true}
}
