//go:build awskms

package keys

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// awsAsk is what requests say, as the API reference of AWS KMS names it.
type awsAsk struct {
	KeyID               string `json:"KeyId"`
	KeySpec, KeyUsage   string
	Description         string
	Tags                []struct{ TagKey, TagValue string }
	AliasName           string
	TargetKeyID         string `json:"TargetKeyId"`
	Message             []byte
	MessageType         string
	SigningAlgorithm    string
	PendingWindowInDays int
	Marker              string
}

// fakeAWS answers as AWS KMS does. Two aliases are a page, and a new key is unknown at first.
func fakeAWS(fake *fakeKeys) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var ask awsAsk
		if err == nil {
			err = json.Unmarshal(body, &ask)
		}
		if err != nil {
			fake.t.Errorf("reading a request: %v", err)
		}
		if authorization := r.Header.Get("Authorization"); !strings.HasPrefix(authorization, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || !strings.Contains(authorization, "/eu-central-1/kms/aws4_request") {
			fake.t.Errorf("a request is signed %q", authorization)
		}
		mode := fake.enter(r.Context())
		fake.mu.Lock()
		defer fake.mu.Unlock()
		answer, fault := any(nil), "AccessDeniedException"
		if mode != denies && mode != hangs {
			answer, fault = fake.aws(strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService."), ask)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if fault != "" {
			w.WriteHeader(http.StatusBadRequest)
			answer = map[string]string{"__type": fault, "message": "no"}
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil && mode != hangs {
			fake.t.Errorf("answering: %v", err)
		}
	})
}

func (f *fakeKeys) aws(operation string, ask awsAsk) (answer any, fault string) {
	switch operation {
	case "CreateKey":
		f.want("the key's kind", ask.KeySpec+" "+ask.KeyUsage, "ECC_NIST_P256 SIGN_VERIFY")
		f.want("the description", strings.HasPrefix(ask.Description, "stint/"+instance), true)
		f.want("the number of tags", len(ask.Tags), 2)
		f.made++
		key := f.make(fmt.Sprintf("0000-%04d", f.made), "", 1)
		return map[string]any{"KeyMetadata": map[string]string{"KeyId": key.id}}, ""
	case "ListAliases":
		return f.awsAliases(ask.Marker), ""
	case "CreateAlias":
		key := f.keys[ask.TargetKeyID]
		if key == nil {
			return nil, "NotFoundException"
		}
		key.name = ask.AliasName
		return struct{}{}, ""
	}
	key := f.keys[ask.KeyID]
	switch {
	case key == nil:
		return nil, "NotFoundException"
	case key.pending > 0:
		key.pending--
		return nil, "NotFoundException"
	case key.ended:
		return nil, "KMSInvalidStateException"
	}
	switch operation {
	case "GetPublicKey":
		return map[string]any{"KeyId": key.id, "PublicKey": key.public(), "KeySpec": "ECC_NIST_P256"}, ""
	case "Sign":
		f.want("how it signs", ask.MessageType+" "+ask.SigningAlgorithm, "DIGEST ECDSA_SHA_256")
		return map[string]any{"KeyId": key.id, "Signature": f.sign(key, ask.Message), "SigningAlgorithm": "ECDSA_SHA_256"}, ""
	case "ScheduleKeyDeletion":
		f.want("the window", ask.PendingWindowInDays, 7)
		key.ended = true
		return map[string]any{"KeyId": key.id, "KeyState": "PendingDeletion"}, ""
	}
	return nil, "UnknownOperationException"
}

// awsAliases is a page of the aliases. Among them is one of ours that somebody has
// pointed at a key of their own.
func (f *fakeKeys) awsAliases(marker string) any {
	type alias struct {
		AliasName   string
		TargetKeyID string `json:"TargetKeyId"`
	}
	aliases := []alias{
		{"alias/aws/ebs", ""}, {"alias/payments", "9999"}, {"alias/stint/" + instance + "/" + aLedger + "/user-ca/0000-0000", "9999"},
	}
	for _, id := range slices.Sorted(maps.Keys(f.keys)) {
		if f.keys[id].name != "" {
			aliases = append(aliases, alias{f.keys[id].name, id})
		}
	}
	from, _ := strconv.Atoi(marker)
	until := min(from+2, len(aliases))
	page := map[string]any{"Aliases": aliases[from:until], "Truncated": until < len(aliases)}
	if until < len(aliases) {
		page["NextMarker"] = strconv.Itoa(until)
	}
	return page
}

// TestKeysInAWS goes through the library's own default chain: environment variables
// give it credentials and the fake's address. They keep it from running in parallel.
func TestKeysInAWS(t *testing.T) {
	fake := newFakeKeys(t)
	fake.make("9999", "", 0) // somebody else's
	server := httptest.NewServer(fakeAWS(fake))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_KMS": server.URL, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "",
		"AWS_PROFILE": "", "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
	} {
		t.Setenv(name, value)
	}
	testRemote(t, fake, func(instance, ledger string) *remote {
		s := settings("")
		s.Instance, s.ledger, s.Service = instance, ledger, &Service{Name: "awskms", Place: "eu-central-1"}
		opened, err := openService(s)
		if err != nil {
			t.Fatal(err)
		}
		return opened.(*remote)
	})
	if fake.keys["9999"].ended {
		t.Error("somebody else's key is gone")
	}
}
