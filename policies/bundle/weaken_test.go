package bundle_test

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"stint/policies"
)

// place is where something stands in a document: the document, and each node on the way
// to it. The last is the thing itself.
type place []*yaml.Node

func (p place) here() *yaml.Node     { return p[len(p)-1] }
func (p place) above() *yaml.Node    { return p[len(p)-2] }
func (p place) document() *yaml.Node { return p[0] }

// weakening takes something away from a rule, or widens it. It says whether there was
// anything to weaken.
type weakening struct {
	name  string
	apply func(place) bool
}

// weakenings are what is done to everything that stands at a path. A path names the kind of
// the document and the keys on the way, with [] for each item of a list and * for any key.
var weakenings = map[string][]weakening{
	"Organization.independence.directReports":    {set("false")},
	"Organization.independence.reciprocalDays":   {set("0"), scaled(1, 2)},
	"Organization.independence.policyChangeDays": {set("0"), scaled(1, 2)},

	"Role.requesters":                   {with("strangers")},
	"Role.targets.names":                {without},
	"Role.targets.labels.*":             {set("*"), {"left out", dropLabel}},
	"Role.logins":                       {with("root")},
	"Role.duration.longest":             {longer},
	"Role.start":                        {without},
	"Role.start.at":                     {{"left out", dropWith("within")}},
	"Role.start.within":                 {longer},
	"Role.start.ahead":                  {longer},
	"Role.renewals":                     {without},
	"Role.renewals.most":                {more},
	"Role.renewals.days":                {scaled(1, 2)},
	"Role.windows":                      {without},
	"Role.reason":                       {set("optional")},
	"Role.ticket":                       {without},
	"Role.ticket.required":              {{"false", notRequired}},
	"Role.ticket.pattern":               {without},
	"Role.passkey":                      {without},
	"Role.passkey.approvers":            {without},
	"Role.passkey.requester":            {set("any"), {"left out", dropWith("fresh")}},
	"Role.passkey.fresh":                {longer, without},
	"Role.allow[]":                      {without},
	"Role.allow[].when":                 {set("1 < 2"), {"one part only", dropPart(" && ", 0)}, {"the other part only", dropPart(" && ", 1)}},
	"Role.require[]":                    {without},
	"Role.require[].that":               {set("1 < 2")},
	"Role.restrict[]":                   {without},
	"Role.restrict[].when":              {set("2 < 1")},
	"Role.restrict[].add[].groups":      {with("strangers")},
	"Role.restrict[].add[].count":       {fewer},
	"Role.restrict[].add[]":             {related(policies.RelationManager), related(policies.RelationOwner)},
	"Role.approval[]":                   {{"left out", dropStage}, related(policies.RelationManager), related(policies.RelationOwner)},
	"Role.approval[].groups":            {with("strangers")},
	"Role.approval[].relations":         {{"and a group", alsoOf("strangers")}},
	"Role.approval[].count":             {fewer},
	"Role.approval[].after":             {without},
	"Role.approval[].when":              {set("2 < 1"), {"one part only", dropPart(" && ", 0)}, {"the other part only", dropPart(" && ", 1)}},
	"Role.approval[].escalate":          {without},
	"Role.approval[].escalate[].after":  {scaled(1, 2)},
	"Role.approval[].escalate[].groups": {with("strangers")},
	"Role.breakGlass":                   {without},
	"Role.breakGlass.requesters":        {{"whoever may ask", asRequesters}},
	"Role.breakGlass.longest":           {longer},
	"Role.breakGlass.review.within":     {longer},

	"Separation":         {without},
	"Separation.forbid":  {{"both at once only", onlyHeld}},
	"Separation.roles[]": {{"left out", dropApart}},
	"Separation.days":    {scaled(1, 2)},

	"Team":           {without},
	"Team.members[]": {{"left out", dropUnlessLast}},
	"Team.managers":  {{"and strangers", manageToo}},

	"Calendar.zone":        {set("America/New_York")},
	"Calendar.open[]":      {{"left out", dropUnlessLast}},
	"Calendar.open[].days": {everyDay},
	"Calendar.open[].from": {set("00:00")},
	"Calendar.open[].to":   {set("24:00")},
	"Calendar.closed[]":    {without},
}

// beyond is what no case can see, with who looks at it.
var beyond = map[string]string{
	"*.name":                        "names and words decide nothing",
	"*.description":                 "names and words decide nothing",
	"Organization.reviewers":        "who may look, not who may do: the broker",
	"Organization.quorum":           "how many administrators sign: the signer",
	"Organization.aliases":          "there are none here",
	"Organization.facts[]":          "what conditions may read; without it the policy does not load",
	"Organization.attestation":      "what an enrolment must prove: the signer",
	"Role.duration.default":         "what a form fills in",
	"Role.pending":                  "when a request is over that nobody answers: the broker and the signer",
	"Role.singleUse":                "how many sessions there may be: the signer",
	"Role.device":                   "which machines: the signer, and JudgeDevice",
	"Role.session":                  "what a session may do: the proxy",
	"Role.recording":                "who may replay: the broker",
	"Role.trust":                    "what allowances may read; without it the policy does not load",
	"Role.allow[].name":             "names and words decide nothing",
	"Role.allow[].without":          "these are all stages of that role",
	"Role.require[].name":           "names and words decide nothing",
	"Role.require[].else":           "names and words decide nothing",
	"Role.restrict[].name":          "names and words decide nothing",
	"Role.restrict[].refuse":        "names and words decide nothing",
	"Role.restrict[].add[].name":    "names and words decide nothing",
	"Role.approval[].name":          "names and words decide nothing",
	"Role.approval[].remind":        "who is told again, and when: the broker",
	"Role.breakGlass.review.groups": "whose review counts: the signer",
	"Separation.labels":             "there is one in each; without it the policy does not load",
}

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

func with(value string) weakening {
	return weakening{"and " + value, func(p place) bool {
		p.here().Content = append(p.here().Content, &yaml.Node{Kind: yaml.ScalarNode, Value: value})
		return true
	}}
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

func scaled(by, over int) weakening {
	return weakening{"times " + strconv.Itoa(by) + "/" + strconv.Itoa(over), func(p place) bool {
		if n, err := strconv.Atoi(p.here().Value); err == nil {
			p.here().Value = strconv.Itoa(n * by / over)
			return true
		}
		d, err := time.ParseDuration(p.here().Value)
		p.here().Value = policies.FormatDuration(d * time.Duration(by) / time.Duration(over))
		return err == nil
	}}
}

var (
	longer = scaled(2, 1)
	more   = weakening{"one more", func(p place) bool { return count(p, 1) }}
	fewer  = weakening{"one fewer", func(p place) bool { return p.here().Value != "1" && count(p, -1) }}
)

func count(p place, by int) bool {
	n, err := strconv.Atoi(p.here().Value)
	p.here().Value = strconv.Itoa(n + by)
	return err == nil
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
		if slices.ContainsFunc(relations.Content, func(n *yaml.Node) bool { return n.Value == relation }) {
			return false
		}
		relations.Content = append(relations.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: relation})
		return true
	}}
}

// alsoOf lets a group approve beside those of a relation.
func alsoOf(group string) func(place) bool {
	return func(p place) bool {
		if child(p.above(), "groups") != nil {
			return false
		}
		p.above().Content = append(p.above().Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "groups"},
			&yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: group}}})
		return true
	}
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

// manageToo makes strangers managers. Of engineering no stage asks a manager: the team is
// there for its members' independence, and there it would be no weakening.
func manageToo(p place) bool {
	return child(p.document(), "name").Value != "engineering" && with("strangers").apply(p)
}

var everyDay = weakening{"every day", func(p place) bool {
	p.here().Content = nil
	for _, day := range []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"} {
		with(day).apply(p)
	}
	return true
}}

// child is the value of a mapping under a key; nil where there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
