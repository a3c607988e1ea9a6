package bundle_test

import (
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
// A list of groups gets each of the groups that there are, or a stranger's where cases state
// it whole; a number changes by the least that means something: one, a day or a minute.
func weakenings(groups []string) map[string][]weakening {
	each := func(one func(group string) weakening) (all []weakening) {
		for _, group := range groups {
			all = append(all, one(group))
		}
		return all
	}
	condition := []weakening{{"one part only", dropPart(" && ", 0)}, {"the other part only", dropPart(" && ", 1)}, {"a number one more", numberInCondition}}
	related := []weakening{related(policies.RelationManager), related(policies.RelationOwner)}
	return map[string][]weakening{
		"Organization.reviewers":                           {with("strangers")},
		"Organization.quorum":                              {less},
		"Organization.independence.directReports":          {set("false")},
		"Organization.independence.reciprocalDays":         {set("0"), less},
		"Organization.independence.policyChangeDays":       {set("0"), less},
		"Organization.attestation.groups[]":                {without},
		"Organization.attestation.authenticators":          {{"and another make", anotherMake}},
		"Organization.attestation.authenticators[].aaguid": {set("2fc0579f-8113-47ea-b116-bb5a8db9202b")},
		"Organization.attestation.authenticators[].roots":  {{"and another root", anotherRoot}},

		"Role.requesters":                   each(with),
		"Role.targets.names":                {without, with("legacy-1")},
		"Role.targets.names[]":              {{"a letter fewer", letterFewer}},
		"Role.targets.labels.*":             {{"and what begins so", beginning}, set("*"), {"left out", dropLabel}, {"a letter fewer", letterFewer}},
		"Role.logins":                       {with("root")},
		"Role.duration.default":             {more},
		"Role.duration.longest":             {more},
		"Role.start":                        {without},
		"Role.start.at":                     {{"left out", dropWith("within")}},
		"Role.start.within":                 {more},
		"Role.start.ahead":                  {more},
		"Role.pending":                      {more},
		"Role.singleUse":                    {set("false"), without},
		"Role.renewals":                     {without},
		"Role.renewals.most":                {more},
		"Role.renewals.days":                {less},
		"Role.windows":                      {without},
		"Role.reason":                       {set("optional")},
		"Role.ticket":                       {without},
		"Role.ticket.required":              {{"false", notRequired}},
		"Role.ticket.pattern":               {without, pattern(".?", ""), pattern("", ".?"), digits("{0,6}"), digits("{1,7}")},
		"Role.passkey":                      {without},
		"Role.passkey.approvers":            {set("any"), without},
		"Role.passkey.requester":            {set("any"), {"left out", dropWith("fresh")}},
		"Role.passkey.fresh":                {more, without},
		"Role.device":                       {without},
		"Role.device.posture":               {without},
		"Role.device.posture.require[]":     {without},
		"Role.device.posture.systemAgeDays": {more, without},
		"Role.session.idle":                 {more, without},
		"Role.session.channels":             {with("sftp"), without},
		"Role.session.networks":             {with("203.0.113.0/24"), without},
		"Role.recording":                    {without},
		"Role.recording.reviewers":          {with("strangers")},
		"Role.allow[]":                      {without},
		"Role.allow[].when":                 append(condition, set("1 < 2")),
		"Role.require[]":                    {without},
		"Role.require[].that":               append(condition, set("1 < 2")),
		"Role.restrict[]":                   {without},
		"Role.restrict[].when":              append(condition, set("2 < 1")),
		"Role.restrict[].add[]":             related,
		"Role.restrict[].add[].groups":      each(with),
		"Role.restrict[].add[].count":       {fewer},
		"Role.approval[]":                   append(related, weakening{"left out", dropStage}),
		"Role.approval[].groups":            each(with),
		"Role.approval[].relations":         each(alsoOf),
		"Role.approval[].count":             {fewer},
		"Role.approval[].after":             {without},
		"Role.approval[].when":              append(condition, set("2 < 1")),
		"Role.approval[].remind":            {more, without},
		"Role.approval[].escalate":          {without},
		"Role.approval[].escalate[].after":  {less},
		"Role.approval[].escalate[].groups": each(escalated),
		"Role.breakGlass":                   {without},
		"Role.breakGlass.requesters":        {{"whoever may ask", asRequesters}},
		"Role.breakGlass.longest":           {more},
		"Role.breakGlass.review.groups":     {with("strangers")},
		"Role.breakGlass.review.within":     {more},

		"Separation":          {without},
		"Separation.forbid":   {{"both at once only", onlyHeld}},
		"Separation.roles[]":  {{"left out", dropApart}},
		"Separation.days":     {less},
		"Separation.labels[]": {set("shelf")},

		"Team":           {without},
		"Team.members":   {with("contractors"), with("auditors")},
		"Team.members[]": {{"left out", dropUnlessLast}},
		"Team.managers":  each(managing),

		"Calendar.zone":        {set("America/New_York"), set("Europe/London"), set("Europe/Helsinki")},
		"Calendar.open[]":      {{"left out", dropUnlessLast}},
		"Calendar.open[].days": openOn("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
		"Calendar.open[].from": {less},
		"Calendar.open[].to":   {more},
		"Calendar.closed[]":    {without, {"a day later", daysOff(1, 0)}, {"a day less", daysOff(0, -1)}},
	}
}

// beyond is what no case can see, with why. The words of a policy are here and nothing
// that bounds anybody.
var beyond = map[string]string{
	"*.name":               "names and words decide nothing",
	"*.description":        "names and words decide nothing",
	"Organization.aliases": "there are none here",
	"Organization.facts[]": "what conditions may read; without it the policy does not load",
	"Organization.attestation.authenticators[].name": "names and words decide nothing",
	"Role.trust":                 "what allowances may read; without it the policy does not load",
	"Role.allow[].name":          "names and words decide nothing",
	"Role.allow[].without":       "these are all stages of that role",
	"Role.device.required":       "a rule about devices says true; without it the policy does not load",
	"Role.require[].name":        "names and words decide nothing",
	"Role.require[].else":        "names and words decide nothing",
	"Role.restrict[].name":       "names and words decide nothing",
	"Role.restrict[].refuse":     "names and words decide nothing",
	"Role.restrict[].add[].name": "names and words decide nothing",
	"Role.approval[].name":       "names and words decide nothing",
}
