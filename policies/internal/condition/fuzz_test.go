package condition_test

import (
	"strings"
	"testing"
	"time"

	"stint/policies/internal/condition"
)

// FuzzCompile: whatever somebody writes, it is refused with a place, or accepted and then
// ends within its bound whatever the facts are.
func FuzzCompile(f *testing.F) {
	e := environment(f, declared...)
	f.Fuzz(func(t *testing.T, source string) {
		c, fault := e.Compile(source)
		if (c == nil) == (fault == nil) {
			t.Fatalf("%q: %v and %v", source, c, fault)
		}
		if fault != nil {
			if fault.Line < 1 || fault.Column < 1 || fault.Line > strings.Count(source, "\n")+1 || fault.Column > len([]rune(source))+1 || fault.Text == "" {
				t.Fatalf("%q: %+v", source, *fault)
			}
			return
		}
		for _, in := range []condition.Facts{facts(), great(), {}} {
			if in.AsEstimated() {
				if spent := c.Spent(in); spent > condition.MostCost {
					t.Errorf("%q cost %d", source, spent)
				}
			}
			begun := time.Now()
			holds, err := c.Holds(&in)
			took := time.Since(begun)
			if took > 5*time.Second { // once more: this machine may have stood still
				begun = time.Now()
				_, _ = c.Holds(&in)
				took = min(took, time.Since(begun))
			}
			if took > 5*time.Second {
				t.Errorf("%q took %s", source, took)
			}
			again, errAgain := c.Holds(&in)
			if holds != again || (err == nil) != (errAgain == nil) {
				t.Errorf("%q: %v (%v), then %v (%v)", source, holds, err, again, errAgain)
			}
			// What it comes to is among what it could come to.
			canBeTrue, canBeFalse := c.Could(in)
			if err == nil && (holds && !canBeTrue || !holds && !canBeFalse) {
				t.Errorf("%q: it comes to %v and could be true: %v, false: %v", source, holds, canBeTrue, canBeFalse)
			}
		}
	})
}

// great are facts as large as the estimate of costs takes them to be.
func great() condition.Facts {
	f := facts()
	f.Requester.Groups, f.Held = nil, nil
	for i := range 256 {
		name := strings.Repeat("g", 450) + strings.Repeat("x", i%50)
		f.Requester.Groups, f.Held = append(f.Requester.Groups, name), append(f.Held, name)
	}
	f.Ask.Reason = strings.Repeat("a1 ", 160)
	f.Requester.Name = strings.Repeat("x@", 250)
	return f
}

// TestAcceptedConditionsStayWithinTheEstimate: facts of the sizes that are counted on
// never reach the bound that ends an evaluation.
func TestAcceptedConditionsStayWithinTheEstimate(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		`requester.groups.exists(g, g.matches("^(a|b)+c$"))`,
		`requester.groups.all(g, g.lowerAscii().split("x").exists(p, p == ""))`,
		`requester.groups.filter(g, g.contains("xx")).exists(g, g == requester.name)`,
		`requester.name.split("@").all(p, p == "x" || p == "")`,
		`["a", "b", "c", "d"].all(w, !requester.groups.exists(g, g == w))`,
		`requester.groups + held + ["x"] != requester.groups + held || size(requester.groups + held) == 512`,
		`requester.groups.all(g, held.exists(h, h == g))`,
		`ask.reason.substring(3).indexOf("a1 a1 a1 b") == -1 && ask.reason.trim().upperAscii().endsWith("A1")`,
	} {
		c, fault := environment(t, declared...).Compile(source)
		if fault != nil {
			t.Logf("refused: %s: %s", source, fault.Text)
			continue
		}
		begun, in := time.Now(), great()
		if _, err := c.Holds(&in); err != nil && strings.Contains(err.Error(), "cost") {
			t.Errorf("%s: %v", source, err)
		}
		took := time.Since(begun)
		if spent := c.Spent(in); !in.AsEstimated() || spent > condition.MostCost {
			t.Errorf("%s cost %d", source, spent)
		} else {
			t.Logf("%s: %s for %d", source, took, spent)
		}
	}
}
