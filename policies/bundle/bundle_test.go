package bundle_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"stint/policies"
	"stint/policies/bundle"
)

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWfvVqSmNpNDXLLzF8Dx4M4K2rWRl5gHVBYhRr3rJdM"

var recordings = bundle.Recordings{
	Recipients: []string{"age1wr96nrvrdvav9tywn3j95ww7sd9s43nm2kymlxt6c4h3wk8jzqrsq6j944"},
	First:      []string{"age190gspssm22vtg4j8ymr07tuh97wuuuqf4quzwuqgxhcznplz9y6s9u5fa2"},
	Second:     []string{"age1ee7rz7dswp87pwq2gmzzg6h6hzcmklfxjew5aw8rkpdmz5nh5v3qtv89v6"},
}

func write(t *testing.T, login string, targets []bundle.Target) (*policies.Bundle, error) {
	t.Helper()
	files, err := bundle.Write(login, 1, recordings, targets)
	if err != nil {
		t.Fatal(err)
	}
	folder := fstest.MapFS{}
	for name, text := range files {
		folder[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return policies.Load(folder)
}

func targets() []bundle.Target {
	return []bundle.Target{
		{Name: "web-1", Address: "127.0.0.1:2201", HostKey: hostKey, Labels: map[string]string{"env": "production", "tier": "web"}},
		{Name: "customers-db", Address: "127.0.0.1:2202", HostKey: hostKey, Labels: map[string]string{"env": "restricted", "data": "customers"}},
		{Name: "vault", Address: "[::1]:2203", HostKey: hostKey, Labels: map[string]string{"env": "restricted", "data": "keys"}},
		{Name: "demo", Address: "localhost:2204", HostKey: hostKey, Labels: map[string]string{"env": "demo"}},
	}
}

func TestTheDefaultPolicyLoads(t *testing.T) {
	t.Parallel()
	b, err := write(t, "first.last", targets())
	if err != nil {
		t.Fatal(err)
	}
	reach := map[string][]string{
		"production-shell": {"web-1"}, "contractor-shell": {"web-1"},
		"customer-data": {"customers-db"}, "key-management": {"vault"},
		"audit-read": {"customers-db", "demo", "vault", "web-1"}, "demo-shell": {"demo"},
	}
	if organization := b.Organization(); len(organization.Attestation.Authenticators) > 0 || len(organization.Facts) == 0 {
		t.Errorf("the organization is %+v", organization)
	}
	if b.Quorum() != 1 {
		t.Errorf("the quorum is %d", b.Quorum())
	}
	if len(b.Roles()) != len(reach) {
		t.Errorf("there are %d roles, %d expected", len(b.Roles()), len(reach))
	}
	for _, r := range b.Roles() {
		var reached []string
		for _, target := range b.TargetsOf(r.Name) {
			reached = append(reached, target.Name)
		}
		if !slices.Equal(reached, reach[r.Name]) {
			t.Errorf("%s reaches %v, want %v", r.Name, reached, reach[r.Name])
		}
		login := "first.last"
		if r.Name == "audit-read" {
			login = "auditor" // who may write nothing, on every host
		}
		if !slices.Equal(r.Logins, []string{login}) {
			t.Errorf("%s gives the logins %v", r.Name, r.Logins)
		}
		// The demo's host holds nothing.
		if alone := r.Name == "demo-shell"; alone != (len(r.Approval) == 0) {
			t.Errorf("%s is approved in %d stages", r.Name, len(r.Approval))
		}
	}
	if target, _ := b.Target("vault"); target.Address != "[::1]:2203" || target.HostKey != hostKey || target.Labels["data"] != "keys" {
		t.Errorf("the target came back as %+v", target)
	}
}

func TestTheDefaultFilesLoadAsTheyAre(t *testing.T) {
	t.Parallel()
	b, err := policies.Load(bundle.Files)
	if err != nil {
		t.Fatal(err)
	}
	if b.Quorum() != 2 {
		t.Errorf("the quorum is %d: one person alone would be enough", b.Quorum())
	}
}

func TestNothingWrittenEscapesItsPlace(t *testing.T) {
	t.Parallel()
	if _, err := write(t, "demo]\nreason: optional #", nil); err == nil {
		t.Error("a login that is none was accepted")
	}
	evil := targets()
	evil[0].Labels["env"] = "demo\"\n  data: keys"
	if _, err := write(t, "demo", evil); err == nil || !strings.Contains(err.Error(), "targets.yaml:") {
		t.Errorf("a label that breaks out of its line: %v", err)
	}
}
