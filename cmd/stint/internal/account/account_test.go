package account

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"stint/server/evidence/evidencetest"
)

func TestWhatIsPinnedOutlivesTheToken(t *testing.T) {
	t.Setenv("STINT_HOME", t.TempDir())
	now := time.Now()
	if _, err := Last(); !errors.Is(err, ErrSignedOut) {
		t.Fatalf("nobody signed in yet, and Last says %v", err)
	}
	if err := (&Account{URL: "https://stint.example.com", Pins: Pins{Log: "pinned"}, Expires: now, Key: make([]byte, 32)}).Save(); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(now); !errors.Is(err, ErrSignedOut) {
		t.Errorf("the token is over, and Load says %v", err)
	}
	if last, err := Last(); err != nil || last.Log != "pinned" || last.URL == "" {
		t.Errorf("Last gives %+v, %v", last, err)
	}
}

// A broker that runs may answer otherwise than at the first sign-in.
func TestPinnedKeysDoNotChange(t *testing.T) {
	t.Setenv("STINT_HOME", t.TempDir())
	log, authority := "log one", evidencetest.NewKey(t).Public
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		trust, err := json.Marshal(map[string]any{"version": 1, "log": log, "host_ca": []string{authority}})
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"trust": json.RawMessage(trust), "proxies": []any{}, "targets": []any{}})
	}))
	defer server.Close()
	account := &Account{URL: server.URL, Key: make([]byte, 32), Expires: time.Now().Add(time.Hour)}
	known := func() string {
		path, err := KnownHosts()
		if err != nil {
			t.Fatal(err)
		}
		text, _ := os.ReadFile(path)
		return string(text)
	}
	honest := authority
	for _, bad := range []string{"", honest + "\n@cert-authority * " + evidencetest.NewKey(t).Public, "no key"} {
		authority = bad
		if _, _, err := account.Trust(t.Context()); err == nil || known() != "" || account.Log != "" {
			t.Errorf("the host authority %q was taken: %v, %q", bad, err, known())
		}
	}
	authority = honest
	for range 2 {
		if _, _, err := account.Trust(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := "@cert-authority * " + honest + "\n"
	for what, change := range map[string]func(){
		"another host authority": func() { authority = evidencetest.NewKey(t).Public },
		"another log":            func() { log = "log two" },
	} {
		log, authority = "log one", honest
		change()
		if _, _, err := account.Trust(t.Context()); err == nil || known() != want || account.HostCA[0] != honest {
			t.Errorf("%s: %v, known hosts %q", what, err, known())
		}
	}
}
