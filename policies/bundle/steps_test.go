package bundle_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"stint/policies"
)

func set(value string) weakening {
	return weakening{value, func(p place) bool {
		if p.here().Value == value {
			return false
		}
		*p.here() = yaml.Node{Kind: yaml.ScalarNode, Value: value, Style: quoting(value)}
		return true
	}}
}

// quoting is how a text must be written that would otherwise be something else.
func quoting(value string) yaml.Style {
	if strings.ContainsAny(value, "*:<") {
		return yaml.DoubleQuotedStyle
	}
	return 0
}

// with adds to a list what is not in it.
func with(value string) weakening {
	return weakening{"and " + value, func(p place) bool { return addTo(p.here(), value) }}
}

func addTo(list *yaml.Node, value string) bool {
	if holds(list, value) {
		return false
	}
	list.Content = append(list.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: value, Style: quoting(value)})
	return true
}

// holds tells whether a list, which may be missing, has a value.
func holds(list *yaml.Node, value string) bool {
	return list != nil && slices.ContainsFunc(list.Content, func(n *yaml.Node) bool { return n.Value == value })
}

var without = weakening{"left out", func(p place) bool {
	if len(p) == 1 {
		p.here().Content = nil // the whole document
		return true
	}
	remove(p.above(), p.here())
	return true
}}

// remove takes a node out of the mapping or list that holds it, and what is then empty out
// of nothing: the caller sees to it that something is left.
func remove(from, node *yaml.Node) {
	i := slices.Index(from.Content, node)
	if from.Kind == yaml.MappingNode {
		from.Content = slices.Delete(from.Content, i-1, i+1)
		return
	}
	from.Content = slices.Delete(from.Content, i, i+1)
}

var (
	more  = step(1)
	less  = step(-1)
	fewer = weakening{"one fewer", func(p place) bool { return p.here().Value != "1" && less.apply(p) }}
)

// step changes a number by one, and a duration or a time of day by a minute.
func step(by int) weakening {
	return weakening{fmt.Sprintf("%+d", by), func(p place) bool {
		n := p.here()
		if number, err := strconv.Atoi(n.Value); err == nil {
			n.Value = strconv.Itoa(number + by)
			return true
		}
		if at, err := time.Parse("15:04", n.Value); err == nil {
			*n = yaml.Node{Kind: yaml.ScalarNode, Value: at.Add(time.Duration(by) * time.Minute).Format("15:04"), Style: yaml.DoubleQuotedStyle}
			return true
		}
		d, err := time.ParseDuration(n.Value)
		n.Value = policies.FormatDuration(d + time.Duration(by)*time.Minute)
		return err == nil
	}}
}

var (
	inDuration  = regexp.MustCompile(`duration\("(\d+h)"\)`)
	inCondition = regexp.MustCompile(`\b\d+$`)
)

// numberInCondition makes a number that a condition compares one more, or a duration a minute.
func numberInCondition(p place) bool {
	n, before := p.here(), p.here().Value
	n.Value = inDuration.ReplaceAllStringFunc(n.Value, func(text string) string {
		d, _ := time.ParseDuration(inDuration.FindStringSubmatch(text)[1])
		return fmt.Sprintf("duration(%q)", policies.FormatDuration(d+time.Minute))
	})
	n.Value = inCondition.ReplaceAllStringFunc(n.Value, func(text string) string {
		number, _ := strconv.Atoi(text)
		return strconv.Itoa(number + 1)
	})
	return n.Value != before
}

// pattern lets a ticket have something more before or after.
func pattern(before, after string) weakening {
	return weakening{before + "..." + after, func(p place) bool {
		p.here().Value = before + p.here().Value + after
		return true
	}}
}

// digits changes how many there are in a ticket.
func digits(many string) weakening {
	return weakening{many, func(p place) bool {
		before := p.here().Value
		p.here().Value = strings.Replace(before, "{1,6}", many, 1)
		return p.here().Value != before
	}}
}

// beginning lets whatever begins with a label's value have it.
func beginning(p place) bool {
	return !strings.Contains(p.here().Value, "*") && set(p.here().Value+"*").apply(p)
}

// letterFewer takes away the letter before an asterisk.
func letterFewer(p place) bool {
	before, _, found := strings.Cut(p.here().Value, "*")
	return found && before != "" && set(before[:len(before)-1]+"*").apply(p)
}

// dropLabel leaves a label out of a selector that has others.
func dropLabel(p place) bool {
	if len(p.above().Content) == 2 {
		return false
	}
	return without.apply(p)
}

// dropWith leaves a field out together with another that means nothing without it.
func dropWith(other string) func(place) bool {
	return func(p place) bool {
		above := p.above()
		remove(above, p.here())
		if also := child(above, other); also != nil {
			remove(above, also)
		}
		return true
	}
}

// notRequired lets a ticket be left out. A rule that says nothing else does not load then.
func notRequired(p place) bool {
	return child(p.above(), "pattern") != nil && set("false").apply(p)
}

// dropPart leaves one of the two parts of a condition out.
func dropPart(between string, which int) func(place) bool {
	return func(p place) bool {
		parts := strings.Split(p.here().Value, between)
		if len(parts) != 2 {
			return false
		}
		p.here().Value = parts[1-which]
		return true
	}
}

// dropStage leaves a stage out, and its name where others mention it.
func dropStage(p place) bool {
	name := child(p.here(), "name").Value
	for _, key := range []string{"approval", "allow"} {
		list := child(p.document(), key)
		if list == nil {
			continue
		}
		for _, item := range slices.Clone(list.Content) {
			for _, field := range []string{"after", "without"} {
				mentions := child(item, field)
				if mentions == nil {
					continue
				}
				mentions.Content = slices.DeleteFunc(mentions.Content, func(n *yaml.Node) bool { return n.Value == name })
				if len(mentions.Content) == 0 && field == "after" {
					remove(item, mentions)
				} else if len(mentions.Content) == 0 {
					remove(list, item)
				}
			}
		}
		if len(list.Content) == 0 {
			remove(p.document(), list)
		}
	}
	return without.apply(p)
}

// related lets those who stand in a relation to the request approve too.
func related(relation string) weakening {
	return weakening{"and by the " + relation, func(p place) bool {
		relations := child(p.here(), "relations")
		if relations == nil {
			relations = &yaml.Node{Kind: yaml.SequenceNode}
			p.here().Content = append(p.here().Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "relations"}, relations)
		}
		return addTo(relations, relation)
	}}
}

// managersOf are the managers of whoever may ask for a role with a stage of managers.
var managersOf = map[string]string{"contractor-shell": "vendor-managers", "audit-read": "audit-committee"}

// alsoOf lets a group approve beside those of a relation, who are not all of that group.
func alsoOf(group string) weakening {
	return weakening{"and " + group, func(p place) bool {
		if child(p.above(), "groups") != nil || managersOf[called(p.document())] == group {
			return false
		}
		p.above().Content = append(p.above().Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "groups"},
			&yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: group}}})
		return true
	}}
}

// escalated lets a group approve later that could not at once.
func escalated(group string) weakening {
	return weakening{"and " + group, func(p place) bool {
		stage := p[len(p)-4]
		return !holds(child(stage, "groups"), group) && addTo(p.here(), group)
	}}
}

// asRequesters lets whoever may ask act alone.
func asRequesters(p place) bool {
	p.here().Content = child(p.document(), "requesters").Content
	return true
}

// onlyHeld forbids less than being able to ask.
func onlyHeld(p place) bool {
	return p.here().Value == policies.ForbidEligible && set(policies.ForbidHeld).apply(p)
}

// dropApart leaves a role out of a separation that still makes sense then.
func dropApart(p place) bool {
	fewest := 2
	if child(p.document(), "forbid").Value == policies.ForbidObject {
		fewest = 1
	}
	return len(p.above().Content) > fewest && without.apply(p)
}

func dropUnlessLast(p place) bool { return len(p.above().Content) > 1 && without.apply(p) }

// managing makes a group managers. Of engineering no stage asks a manager: the team is
// there for its members' independence, and there it would be no weakening.
func managing(group string) weakening {
	return weakening{"and " + group, func(p place) bool {
		members := child(p.document(), "members")
		return called(p.document()) != "engineering" && !holds(members, group) && addTo(p.here(), group)
	}}
}

// openOn opens a calendar on each day on which it is not open then anyway.
func openOn(days ...string) (all []weakening) {
	for _, day := range days {
		all = append(all, weakening{"and " + day, func(p place) bool {
			for _, hours := range child(p.document(), "open").Content {
				to, here := child(hours, "to").Value, child(p.above(), "to").Value
				if holds(child(hours, "days"), day) && to >= here {
					return false
				}
			}
			return addTo(p.here(), day)
		}})
	}
	return all
}

// daysOff moves the first and the last day of a span of closed days.
func daysOff(first, last int) func(place) bool {
	return func(p place) bool {
		from, to, is := strings.Cut(p.here().Value, "..")
		if !is {
			return false
		}
		moved := func(day string, by int) string {
			at, _ := time.Parse(time.DateOnly, day)
			return at.AddDate(0, 0, by).Format(time.DateOnly)
		}
		p.here().Value = moved(from, first) + ".." + moved(to, last)
		return true
	}
}

// anotherMake believes in a make of passkeys more.
func anotherMake(p place) bool {
	other := *p.here().Content[0]
	other.Content = slices.Clone(other.Content)
	for i, n := range other.Content {
		if n.Value == "aaguid" {
			other.Content[i+1] = &yaml.Node{Kind: yaml.ScalarNode, Value: "2fc0579f-8113-47ea-b116-bb5a8db9202b"}
		}
	}
	p.here().Content = append(p.here().Content, &other)
	return true
}

// anotherRoot believes in whoever has the key of another root, too.
func anotherRoot(p place) bool {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Date(2050, time.January, 1, 0, 0, 0, 0, time.UTC), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	return err == nil && addTo(p.here(), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// child is the value of a mapping under a key; nil where there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
