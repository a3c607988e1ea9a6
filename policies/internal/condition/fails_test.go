package condition_test

import (
	"testing"

	"stint/policies/internal/condition"
)

func TestFailsWhereNothingElseCouldHelp(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]bool{
		`true`:                         false,
		`target.labels["zone"] == "a"`: true,
		`!(target.labels.zone == "a")`: true,
		`asserted.on_call`:             false,
		`"sre" in requester.groups || target.labels["zone"] == "a"`: false,
		`"dba" in requester.groups || target.labels["zone"] == "a"`: true,
		`asserted.on_call || target.labels["zone"] == "a"`:          false,
		`asserted.on_call && target.labels["zone"] == "a"`:          false,
		`ask.ticket == "" ? target.labels["zone"] == "a" : true`:    false,
		`requester.email.split("@")[7] == "x"`:                      true,
	} {
		if got := compile(t, source).Fails(facts()); got != want {
			t.Errorf("%s fails: %t, want %t", source, got, want)
		}
	}
	if !new(condition.Condition).Fails(facts()) {
		t.Error("a condition that was not compiled has an answer")
	}
}
