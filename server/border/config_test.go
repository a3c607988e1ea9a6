package border

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type config struct {
	Name  string `json:"name"`
	Inner struct{ Port int }
	Hosts []string `json:"hosts,omitempty"`
}

func TestReadConfig(t *testing.T) {
	t.Parallel()
	bad := errors.New("name: must not be bad")
	read := func(text string) (config, error) {
		path := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return ReadConfig(path, func(c config) error {
			if c.Name == "bad" {
				return bad
			}
			return nil
		})
	}
	if got, err := read(` {"name": "a", "hosts": ["x"]} ` + "\n"); err != nil || got.Name != "a" || len(got.Hosts) != 1 {
		t.Errorf("a good one: %+v, %v", got, err)
	}
	long := `{"name": "a"}` + strings.Repeat(" ", MaxConfig-len(`{"name": "a"}`))
	if _, err := read(long); err != nil {
		t.Errorf("the longest: %v", err)
	}
	for name, c := range map[string]struct{ text, says string }{
		"too long":          {long + " ", "too long"},
		"an unknown name":   {`{"name": "a", "nmae": "b"}`, "nmae"},
		"an inner one":      {`{"Inner": {"Port": 1, "port2": 2}}`, "port2"},
		"a name twice":      {`{"name": "a", "name": "b"}`, "twice"},
		"an inner one so":   {`{"Inner": {"Port": 1, "Port": 2}}`, "twice"},
		"something after":   {`{"name": "a"} {"name": "b"}`, "follows"},
		"rubbish after":     {`{"name": "a"} x`, "follows"},
		"cut":               {`{"name": "a"`, "EOF"},
		"empty":             {``, "EOF"},
		"another type":      {`{"name": 7}`, "name"},
		"what is not meant": {`{"name": "bad"}`, bad.Error()},
	} {
		got, err := read(c.text)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "config.json") || got.Name != "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := ReadConfig(filepath.Join(t.TempDir(), "none.json"), func(config) error { return nil }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}
