package analysis

import (
	"fmt"
	"slices"

	"stint/policies"
)

// conditions finds those that never hold, or always do, for everybody who may ask on every
// target. It can tell only as far as they depend on who asks and what for.
func (l *linter) conditions(q *question) {
	var seen policies.Outlook
	join := func(all, one []policies.Possible) []policies.Possible {
		if all == nil {
			return slices.Clone(one)
		}
		for i, c := range one {
			all[i].True, all[i].False, all[i].Fails = all[i].True || c.True, all[i].False || c.False, all[i].Fails || c.Fails
		}
		return all
	}
	askers := q.askers(nil)
	for _, asker := range askers {
		for _, scenes := range asker.outlooks {
			for _, outlook := range slices.Concat(scenes...) {
				seen.Allow, seen.Require = join(seen.Allow, outlook.Allow), join(seen.Require, outlook.Require)
				seen.Restrict, seen.Stages = join(seen.Restrict, outlook.Restrict), join(seen.Stages, outlook.Stages)
			}
		}
	}
	if len(askers) == 0 {
		return
	}
	whom := "for anybody who may ask, on any of its targets"
	if l.a.abstract {
		whom = "on any of its targets"
	}
	say := func(c policies.Possible, what string, never, always [2]string, where ...any) {
		severity := func(text [2]string) string {
			if text[1] == "" {
				return SeverityNote
			}
			return SeverityWarning
		}
		text := fmt.Sprintf("%s of %s", what, q.role.Name)
		switch {
		case !c.True && never[0] != "":
			l.find(severity(never), "never", kindRole, q.role.Name, where, fmt.Sprintf("%s never holds %s: %s.", text, whom, never[0]), never[1])
		case !c.False && !c.Fails && always[0] != "":
			l.find(severity(always), "always", kindRole, q.role.Name, where, fmt.Sprintf("%s always holds %s: %s.", text, whom, always[0]), always[1])
		}
	}
	for i, c := range seen.Require {
		say(c, "The requirement "+q.role.Require[i].Name, [2]string{"it refuses everybody", "Correct it, or remove the role."}, [2]string{"it asks for nothing"}, "require", i)
	}
	for i, c := range seen.Allow {
		say(c, "The allowance "+q.role.Allow[i].Name, [2]string{"it spares nothing"}, [2]string{"its stages are never asked", "Remove the stages, or let it hold more rarely."}, "allow", i)
	}
	for i, c := range seen.Restrict {
		restriction := q.role.Restrict[i]
		always := [2]string{"it refuses everybody", "Correct it, or remove the role."}
		if len(restriction.Add) > 0 {
			always = [2]string{"its stages could stand under `approval`"}
		}
		never := [2]string{"it restricts nothing", "Correct it: a restriction that never holds protects nobody."}
		if c.Fails {
			never = [2]string{"it has no answer, and so refuses", "Ask whether the label is there before reading it, as in `\"tier\" in target.labels`."}
		}
		say(c, "The restriction "+restriction.Name, never, always, "restrict", i)
	}
	for i, c := range seen.Stages {
		stage := q.role.Approval[i]
		if stage.When == "" {
			continue
		}
		never := [2]string{"the stage is never asked", "Correct it, or remove the stage."}
		if c.Fails {
			never = [2]string{}
		}
		say(c, "The condition of the stage "+stage.Name, never, [2]string{"the stage could do without it"}, "approval", i, "when")
	}
}
