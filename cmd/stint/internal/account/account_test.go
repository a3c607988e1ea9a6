package account

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"stint/server/evidence"
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

// TestAHostAuthorityFollowsAPinnedOne: the signer's host CA changes, and the command
// line goes with it as far as each key names the next.
func TestAHostAuthorityFollowsAPinnedOne(t *testing.T) {
	keys := make([]*evidencetest.Key, 5)
	for i := range keys {
		keys[i] = evidencetest.NewKey(t)
	}
	at := time.Date(2026, 3, 4, 9, 0, 0, 0, time.UTC)
	follows := func(i, by int, change ...func(*evidence.Succession)) evidence.SigningKey {
		s := &evidence.Succession{
			Instance: "k3f9x2mq", Purpose: evidence.PurposeHostCA, Key: keys[i].Public, Predecessor: keys[by].Public, Issued: at,
			Nonce: evidence.NewNonce([16]byte{byte(i)}),
		}
		for _, f := range change {
			f(s)
		}
		text, err := evidence.Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		signed := evidence.SignWithKey(text, keys[by].Private)
		return evidence.SigningKey{Purpose: evidence.PurposeHostCA, Key: keys[i].Public, State: evidence.KeyNext, Succession: &signed}
	}
	forged := follows(1, 0)
	forged.Succession.Signature = follows(2, 0).Succession.Signature
	for name, c := range map[string]struct {
		accepted []int
		keys     []evidence.SigningKey
		want     bool
	}{
		"the same":                {[]int{0}, nil, true},
		"the next":                {[]int{0, 1}, []evidence.SigningKey{follows(1, 0)}, true},
		"after three changes":     {[]int{3}, []evidence.SigningKey{follows(3, 2), follows(2, 1), follows(1, 0)}, true},
		"none":                    {nil, nil, false},
		"a stranger":              {[]int{0, 1}, nil, false},
		"nobody pinned named it":  {[]int{2}, []evidence.SigningKey{follows(2, 1)}, false},
		"a gap":                   {[]int{3}, []evidence.SigningKey{follows(3, 2), follows(1, 0)}, false},
		"forged":                  {[]int{1}, []evidence.SigningKey{forged}, false},
		"itself":                  {[]int{1}, []evidence.SigningKey{follows(1, 1)}, false},
		"for another purpose":     {[]int{1}, []evidence.SigningKey{follows(1, 0, func(s *evidence.Succession) { s.Purpose = evidence.PurposeUserCA })}, false},
		"of another installation": {[]int{1}, []evidence.SigningKey{follows(1, 0, func(s *evidence.Succession) { s.Instance = "zzzzzzzz" })}, false},
		"of another key":          {[]int{1}, []evidence.SigningKey{follows(1, 0, func(s *evidence.Succession) { s.Key = keys[4].Public })}, false},
	} {
		t.Run(name, func(t *testing.T) {
			trust := evidence.Trust{Version: 1, Instance: "k3f9x2mq", Log: "log", Keys: c.keys, HostCA: []string{}}
			for _, i := range c.accepted {
				trust.HostCA = append(trust.HostCA, keys[i].Public)
			}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				text, err := json.Marshal(trust)
				if err != nil {
					t.Error(err)
				}
				w.Header().Set("Content-Type", "application/json")
				_ = json.NewEncoder(w).Encode(map[string]any{"trust": json.RawMessage(text), "proxies": []any{}, "targets": []any{}})
			}))
			defer server.Close()
			t.Setenv("STINT_HOME", t.TempDir())
			account := &Account{URL: server.URL, Key: make([]byte, 32), Expires: time.Now().Add(time.Hour), Pins: Pins{Log: "log", HostCA: []string{keys[0].Public}}}
			if err := account.Save(); err != nil {
				t.Fatal(err)
			}
			_, _, err := account.Trust(t.Context())
			if (err == nil) != c.want || err != nil && !errors.Is(err, ErrOther) {
				t.Fatalf("Trust: %v", err)
			}
			pinned := []string{keys[0].Public}
			if c.want {
				pinned = trust.HostCA
			}
			// The next chain begins at what was followed.
			if last, err := Last(); err != nil || !slices.Equal(last.HostCA, pinned) {
				t.Errorf("pinned are %v, %v", last.HostCA, err)
			}
		})
	}
}
