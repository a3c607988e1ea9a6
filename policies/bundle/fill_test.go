package bundle

import "testing"

func TestEveryPlaceholderIsFilled(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"logins: [LOGIN]\n":                  "logins: [\"deploy\"]\n",
		"logins: [LOGIN]\nlogins: [LOGIN]\n": "logins: [\"deploy\"]\nlogins: [\"deploy\"]\n",
		"logins: [root]\n":                   "logins: [root]\n",
		"# LOGINS, and a login\n":            "# LOGINS, and a login\n",
		"":                                   "",
	} {
		if got, err := fill(text, "deploy"); err != nil || got != want {
			t.Errorf("%q became %q, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"logins: [ LOGIN ]", "logins: [LOGIN, root]", "logins: [root, LOGIN]", "logins: LOGIN", `logins: ["LOGIN"]`,
		"logins:\n  - LOGIN\n", "logins: [LOGIN] # LOGIN", "logins: [LOGIN-2]", "LOGIN", "logins: [\nLOGIN]",
	} {
		if got, err := fill(text, "deploy"); err == nil {
			t.Errorf("%q became %q", text, got)
		}
	}
	if got, err := fill("logins: [LOGIN]", Placeholder); err != nil || got != `logins: ["LOGIN"]` {
		t.Errorf("a login that is the placeholder's word: %q, %v", got, err)
	}
}
