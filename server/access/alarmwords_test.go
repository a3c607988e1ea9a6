package access

import (
	"strings"
	"testing"
)

func TestEveryAlarmSaysWhatToDo(t *testing.T) {
	t.Parallel()
	kinds := []string{
		AlarmCertificate, AlarmSession, AlarmKey, AlarmSerial, AlarmForked, AlarmWentBack, AlarmReplaced, AlarmMirrorEmptied, AlarmUnreadable, AlarmBreakGlass, AlarmMore,
	}
	if len(kinds) != len(advices) {
		t.Errorf("there is advice for %d kinds of %d", len(advices), len(kinds))
	}
	for _, kind := range kinds {
		for _, a := range []Alarm{{Kind: kind}, {Kind: kind, Request: "req-1", Session: "ses-1"}} {
			means, steps := a.Advice()
			if means == "" || len(steps) == 0 {
				t.Errorf("%s: it means %q, and there are %d steps", kind, means, len(steps))
			}
			for _, step := range steps {
				switch {
				case !strings.HasSuffix(step.Text, ".") && !strings.HasSuffix(step.Text, "?"):
					t.Errorf("%s: %q is no sentence", kind, step.Text)
				case step.Command != "" && !strings.HasPrefix(step.Command, "stint "), strings.Contains(step.Command, "REQUEST"):
					t.Errorf("%s: %q cannot be typed", kind, step.Command)
				case a.Request == "" && step.Page == "request", a.Session == "" && step.Page == "session":
					t.Errorf("%s: %q leads nowhere", kind, step.Text)
				}
			}
		}
	}
	if _, steps := (Alarm{Kind: AlarmKey, Request: "req-7s2k"}).Advice(); !strings.HasPrefix(steps[0].Command, "stint revoke req-7s2k --reason ") {
		t.Errorf("the first step is %+v", steps[0])
	}
}
