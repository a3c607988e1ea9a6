package fleet

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stint/policies"
	"stint/server/access"
)

const (
	token  = "api-only-token"
	serial = "C0124FXASD6G"
	uuid   = "392547DC-0000-0000-A87A-D701FF75BC65"
)

func recorded(tb testing.TB, name string) string {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

// serve starts a Fleet server that answers as told, and returns a client of it.
func serve(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	client, err := NewClient(server.URL, token, roots)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func answer(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}
}

func TestHost(t *testing.T) {
	t.Parallel()
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, "/api/v1/fleet/hosts/")
		if r.Method != http.MethodGet || !ok || r.URL.RawQuery != "exclude_software=true" || r.Header.Get("Authorization") != "Bearer "+token {
			t.Errorf("%s %s with %q", r.Method, r.URL, r.Header.Get("Authorization"))
		}
		if name != "33" && name != "identifier/"+serial && !strings.EqualFold(name, "identifier/"+uuid) {
			answer(http.StatusNotFound, recorded(t, "unknown.json"))(w, r)
			return
		}
		answer(http.StatusOK, recorded(t, "host.json"))(w, r)
	})
	want := policies.FleetHost{
		ID: 33, Name: "annas-laptop", UUID: uuid, Serial: serial, System: "Ubuntu 24.04.1 LTS",
		Collected:      time.Date(2026, 11, 22, 21, 7, 53, 0, time.UTC),
		Judged:         time.Date(2026, 11, 22, 21, 9, 12, 0, time.UTC),
		DiskEncryption: policies.On,
		Policies: []policies.FleetPolicy{
			{Name: "Full disk encryption enabled (Linux)", Critical: true, Passes: new(true)},
			{Name: "Firewall enabled", Passes: new(false)},
			{Name: "New today"},
		},
	}
	for _, id := range []string{serial, uuid, strings.ToLower(uuid)} {
		got, err := client.Find(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if difference := cmp.Diff(want, got); difference != "" {
			t.Errorf("%s (-want +got):\n%s", id, difference)
		}
	}
	got, err := client.Host(t.Context(), 33)
	if err != nil {
		t.Fatal(err)
	}
	if difference := cmp.Diff(want, got); difference != "" {
		t.Errorf("33 (-want +got):\n%s", difference)
	}
	if _, err := client.Find(t.Context(), "C0000000"); !errors.Is(err, ErrUnknown) || !access.IsCode(err, access.CodeFleetUnknown) {
		t.Errorf("nobody's serial number: %v", err)
	}
	if _, err := client.Host(t.Context(), 34); !errors.Is(err, ErrUnknown) {
		t.Errorf("nobody's number: %v", err)
	}
	for _, id := range []string{"", "a", "../hosts/1", "a/b/c/d", "a?b=cd", "a%2fbcd", strings.Repeat("a", 65), "name with spaces"} {
		if _, err := client.Find(t.Context(), id); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// A machine that is named after another's serial number is not that machine, and
// another number is not the one that was asked for.
func TestHostNamesProveNothing(t *testing.T) {
	t.Parallel()
	client := serve(t, answer(http.StatusOK, strings.ReplaceAll(recorded(t, "host.json"), "annas-laptop", "C9999999")))
	if _, err := client.Find(t.Context(), "C9999999"); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
	if _, err := client.Host(t.Context(), 34); !errors.Is(err, ErrUnclear) {
		t.Errorf("another number: %v", err)
	}
}

// Whoever names a machine or a policy cannot make our sentences read otherwise.
func TestNamesAreVisible(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer(`"hostname": "annas-laptop"`, `"hostname": "a\u202eb\nc"`, "Firewall enabled", `Fire\u200bwall`).Replace(recorded(t, "host.json"))
	host, err := serve(t, answer(http.StatusOK, text)).Host(t.Context(), 33)
	if err != nil || host.Name != "a\ufffdb\ufffdc" || host.Policies[1].Name != "Fire\ufffdwall" {
		t.Errorf("%+v, %v", host, err)
	}
}

func TestAnswersAreToldApart(t *testing.T) {
	t.Parallel()
	host := recorded(t, "host.json")
	for name, test := range map[string]struct {
		status int
		text   string
		want   error
	}{
		"not known":             {404, recorded(t, "unknown.json"), ErrUnknown},
		"no token":              {401, `{"message": "Authentication required"}`, ErrRefused},
		"a token of little use": {403, `{"message": "Forbidden"}`, ErrRefused},
		"too many calls":        {429, "", ErrAway},
		"ill":                   {500, "", ErrAway},
		"behind a proxy":        {502, "<html>", ErrAway},
		"elsewhere":             {302, "", ErrUnclear},
		"nothing":               {200, "", ErrUnclear},
		"a page":                {200, "<html>", ErrUnclear},
		"no host":               {200, "{}", ErrUnclear},
		"a nameless host":       {200, `{"host": {"id": 33}}`, ErrUnclear},
		"a host without number": {200, strings.Replace(host, `"id": 33`, `"id": 0`, 1), ErrUnclear},
		"something behind it":   {200, host + "{}", ErrUnclear},
		"cut short":             {200, host[:len(host)/2], ErrUnclear},
		"a flag that is a text": {200, strings.Replace(host, `"disk_encryption_enabled": true`, `"disk_encryption_enabled": "true"`, 1), ErrUnclear},
		"a policy says perhaps": {200, strings.Replace(host, `"response": "fail"`, `"response": "perhaps"`, 1), ErrUnclear},
		"a text too long":       {200, strings.Replace(host, "Firewall enabled", strings.Repeat("x", maxText+1), 1), ErrUnclear},
		"a time that is none":   {200, strings.Replace(host, "2026-11-22T21:09:12Z", "yesterday", 1), ErrUnclear},
		"an answer without end": {200, `{"host": {"uuid": "` + strings.Repeat("x", maxAnswer), ErrUnclear},
		"a time without a year": {200, strings.Replace(host, "2026-11-22T21:09:12Z", "9999-12-31T23:59:59-23:59", 1), ErrUnclear},
		"too many policies":     {200, strings.Replace(host, `"policies": [`, `"policies": [`+strings.Repeat("{},", maxPolicy), 1), ErrUnclear},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := serve(t, answer(test.status, test.text)).Find(t.Context(), serial)
			if !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), token) {
				t.Errorf("the token stands in %q", err)
			}
			var shown *access.Error
			if !errors.As(err, &shown) || shown.Message == "" || strings.Contains(shown.Message, "127.0.0.1") {
				t.Errorf("people read %q", shown.Message)
			}
		})
	}
}

// An answer may be short, and hold more policies than there is memory for: reading ends
// with the first that is too many, so that nothing behind it matters.
func TestPoliciesAreCountedWhileTheyAreRead(t *testing.T) {
	t.Parallel()
	_, err := parseHost([]byte(`{"host": {"id": 33, "uuid": "u", "policies": [` + strings.Repeat("{},", maxPolicy+1) + `{"name": 7}]}}`))
	if !errors.Is(err, errPolicies) {
		t.Errorf("%v", err)
	}
	host, err := parseHost([]byte(`{"host": {"id": 33, "uuid": "u", "policies": [` + strings.Repeat("{},", maxPolicy-1) + `{}]}}`))
	if err != nil || len(host.Policies) != maxPolicy {
		t.Errorf("%d policies, %v", len(host.Policies), err)
	}
	for _, none := range []string{"null", "[]"} {
		if host, err := parseHost([]byte(`{"host": {"id": 33, "uuid": "u", "policies": ` + none + `}}`)); err != nil || len(host.Policies) != 0 {
			t.Errorf("%s: %v, %v", none, host.Policies, err)
		}
	}
	for _, other := range []string{"{}", "7", `"all"`, "[7]", "[[]]", `{"0": {}}`} {
		if _, err := parseHost([]byte(`{"host": {"id": 33, "uuid": "u", "policies": ` + other + `}}`)); !errors.Is(err, ErrUnclear) {
			t.Errorf("%s: %v", other, err)
		}
	}
}

// What Fleet does not know is not "no".
func TestWhatFleetDoesNotKnow(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer(`"disk_encryption_enabled": true`, `"disk_encryption_enabled": null`,
		"2026-11-22T21:09:12Z", "2000-01-01T00:00:00Z").Replace(recorded(t, "host.json"))
	host, err := serve(t, answer(http.StatusOK, text)).Host(t.Context(), 33)
	if err != nil || host.DiskEncryption != policies.Unknown || !host.Judged.IsZero() {
		t.Errorf("%+v, %v", host, err)
	}
}

func TestTokenStaysHere(t *testing.T) {
	t.Parallel()
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(other.Close)
	client := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) })
	if _, err := client.Find(t.Context(), serial); !errors.Is(err, ErrUnclear) {
		t.Errorf("a redirect: %v", err)
	}
	// Another server's certificate.
	stranger, err := NewClient(other.URL, token, x509.NewCertPool())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Find(t.Context(), serial); !errors.Is(err, ErrAway) {
		t.Errorf("a stranger: %v", err)
	}
	for _, address := range []string{"", "fleet.example.com", "http://fleet.example.com", "ftp://fleet.example.com", "https://user@fleet.example.com",
		"https://fleet.example.com/path", "https://fleet.example.com?x=y", "https://"} {
		if _, err := NewClient(address, token, nil); err == nil {
			t.Errorf("%q is an address", address)
		}
	}
	for _, bad := range []string{"", "two words", "line\nbreak"} {
		if _, err := NewClient("https://fleet.example.com", bad, nil); err == nil {
			t.Errorf("%q is a token", bad)
		}
	}
	if _, err := NewClient("http://127.0.0.1:8080", token, nil); err != nil {
		t.Error(err)
	}
}

func TestCallsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	client := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.Find(ctx, serial); !errors.Is(err, ErrAway) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func FuzzParseHost(f *testing.F) {
	f.Add([]byte(recorded(f, "host.json")))
	f.Add([]byte(recorded(f, "unknown.json")))
	f.Fuzz(func(t *testing.T, data []byte) {
		host, err := parseHost(data)
		if err != nil {
			if !errors.Is(err, ErrUnclear) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		if host.ID <= 0 || host.UUID == "" && host.Serial == "" || len(host.Policies) > maxPolicy {
			t.Errorf("%+v is no host", host)
		}
		texts := []string{host.Name, host.UUID, host.Serial, host.System}
		for _, p := range host.Policies {
			texts = append(texts, p.Name)
		}
		for _, text := range texts {
			if err := policies.CheckText(text, maxText); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
	})
}
