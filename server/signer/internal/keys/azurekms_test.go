//go:build azurekms

package keys

import (
	"context"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
)

// azureLogin stands in for the default chain, which needs a real tenant.
type azureLogin struct{}

func (azureLogin) GetToken(_ context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if !slices.Equal(options.Scopes, []string{"https://vault.example/.default"}) {
		return azcore.AccessToken{}, fmt.Errorf("a token for %v is asked", options.Scopes)
	}
	return azcore.AccessToken{Token: "token", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// azureName is what a vault takes for a key's name.
var azureName = regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`)

type fakeAzure struct {
	*fakeKeys
	url string
}

// handler answers as a vault does: to whoever has no token with a challenge, and
// with two keys a page.
func (f *fakeAzure) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /keys/{name}/create", f.create)
	mux.HandleFunc("GET /keys", f.list)
	mux.HandleFunc("GET /keys/{name}/{$}", f.get)
	mux.HandleFunc("POST /keys/{name}/{version}/sign", f.signature)
	mux.HandleFunc("DELETE /keys/{name}", f.remove)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		f.t.Errorf("%s %s is asked", r.Method, r.URL)
		azureFault(w, http.StatusNotFound)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("api-version") == "" {
			f.t.Errorf("%s names no version of the API", r.URL)
		}
		if r.Header.Get("Authorization") != "Bearer token" {
			w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.example/11111111-1111-1111-1111-111111111111", resource="https://vault.example"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		mode := f.enter(r.Context())
		f.mu.Lock()
		defer f.mu.Unlock()
		if mode == denies || mode == hangs {
			azureFault(w, http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func azureFault(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprint(w, `{"error":{"code":"Refused","message":"no"}}`)
}

func (f *fakeAzure) answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		f.t.Errorf("answering: %v", err)
	}
}

func (f *fakeAzure) id(key *fakeKey) string { return f.url + "/keys/" + key.name }

// jwk is a key as RFC 7517 writes it.
func (f *fakeAzure) jwk(key *fakeKey) any {
	point, err := key.private.PublicKey.Bytes()
	if err != nil {
		f.t.Error(err)
	}
	return map[string]any{
		"attributes": map[string]any{"enabled": true},
		"key": map[string]any{
			"kid": f.id(key) + "/v1", "kty": "EC-HSM", "crv": "P-256", "key_ops": []string{"sign", "verify"},
			"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
		},
	}
}

func (f *fakeAzure) read(r *http.Request, ask any) {
	if err := json.NewDecoder(r.Body).Decode(ask); err != nil {
		f.t.Errorf("reading a request: %v", err)
	}
}

func (f *fakeAzure) create(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Kty, Crv string
		KeyOps   []string `json:"key_ops"`
		Tags     map[string]string
	}
	f.read(r, &ask)
	name := r.PathValue("name")
	f.want("the key's kind", ask.Kty+" "+ask.Crv+fmt.Sprint(ask.KeyOps), "EC-HSM P-256[sign verify]")
	f.want("the number of tags", len(ask.Tags), 2)
	f.want("that the name is free and good", f.keys[name] == nil && azureName.MatchString(name), true)
	f.answer(w, f.jwk(f.make(name, name, 0)))
}

func (f *fakeAzure) list(w http.ResponseWriter, r *http.Request) {
	var all []any
	for _, name := range slices.Sorted(maps.Keys(f.keys)) {
		if key := f.keys[name]; !key.ended {
			all = append(all, map[string]any{"kid": f.id(key), "attributes": map[string]any{"enabled": key.pending == 0}})
		}
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("$skiptoken"))
	until := min(from+2, len(all))
	page := map[string]any{"value": all[from:until]}
	if until < len(all) {
		page["nextLink"] = fmt.Sprintf("%s/keys?api-version=%s&$skiptoken=%d", f.url, r.URL.Query().Get("api-version"), until)
	}
	f.answer(w, page)
}

// found is the key of a request, or nil after the answer that there is none.
func (f *fakeAzure) found(w http.ResponseWriter, r *http.Request) *fakeKey {
	key := f.keys[r.PathValue("name")]
	if key == nil || key.ended {
		azureFault(w, http.StatusNotFound)
		return nil
	}
	return key
}

func (f *fakeAzure) get(w http.ResponseWriter, r *http.Request) {
	if key := f.found(w, r); key != nil {
		f.want("that it is enabled", key.pending, 0)
		f.answer(w, f.jwk(key))
	}
}

func (f *fakeAzure) signature(w http.ResponseWriter, r *http.Request) {
	key := f.found(w, r)
	if key == nil {
		return
	}
	var ask struct{ Alg, Value string }
	f.read(r, &ask)
	digest, err := base64.RawURLEncoding.DecodeString(ask.Value)
	f.want("how it signs", fmt.Sprintln(ask.Alg, r.PathValue("version"), len(digest), err), "ES256 v1 32 <nil>\n")
	var numbers struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(f.sign(key, digest), &numbers); err != nil {
		f.t.Error(err)
	}
	raw := append(numbers.R.FillBytes(make([]byte, 32)), numbers.S.FillBytes(make([]byte, 32))...)
	f.answer(w, map[string]string{"kid": f.id(key) + "/v1", "value": base64.RawURLEncoding.EncodeToString(raw)})
}

func (f *fakeAzure) remove(w http.ResponseWriter, r *http.Request) {
	if key := f.found(w, r); key != nil {
		key.ended = true
		f.answer(w, f.jwk(key))
	}
}

func TestKeysInAzure(t *testing.T) {
	t.Parallel()
	fake := &fakeAzure{fakeKeys: newFakeKeys(t)}
	// Somebody else's, and one of ours that is disabled.
	fake.make("payments", "payments", 0)
	disabled := "stint-" + instance + "-" + aLedger + "-user-ca-00000000000000000000000000000000"
	fake.make(disabled, disabled, 1)
	server := httptest.NewTLSServer(fake.handler())
	t.Cleanup(server.Close)
	fake.url = server.URL
	testRemote(t, fake.fakeKeys, func(instance, ledger string) *remote {
		s := settings("")
		s.Instance, s.ledger, s.Service = instance, ledger, &Service{Name: "azurekms", Place: server.URL}
		opened, err := newAzure(s, azureLogin{}, &azkeys.ClientOptions{
			ClientOptions: azcore.ClientOptions{Transport: server.Client()}, DisableChallengeResourceVerification: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		return opened
	})
	if fake.keys["payments"].ended || fake.keys[disabled].ended {
		t.Error("a key that is not ours to delete is gone")
	}
}
