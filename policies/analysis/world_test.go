package analysis_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"stint/policies"
	"stint/policies/analysis"
)

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"

// bundleOf loads documents that are written one after the other, with the targets that
// are named as "name key=value ...".
func bundleOf(t testing.TB, documents string, targets ...string) *policies.Bundle {
	t.Helper()
	text := documents
	for i, target := range targets {
		name, labels, _ := strings.Cut(target, " ")
		text += fmt.Sprintf("\n---\nkind: Target\nname: %s\naddress: 127.0.0.1:%d\nhostKey: %s\nlabels:\n", name, 2000+i, hostKey)
		for _, label := range strings.Fields(labels) {
			key, value, _ := strings.Cut(label, "=")
			text += fmt.Sprintf("  %s: %s\n", key, value)
		}
	}
	b, err := policies.Parse(map[string]string{"policy.yaml": text})
	if err != nil {
		t.Fatalf("the policy of the test has faults: %v\n%s", err, text)
	}
	return b
}

// authenticators is an organization under which passkeys can be attested, with what else
// it says.
func authenticators(rest string) string {
	return "kind: Organization\nattestation:\n  authenticators:\n  - aaguid: ee882879-721c-4913-9775-3dfcce97072a\n    name: A key\n    roots:\n    - |\n      " +
		strings.ReplaceAll(strings.TrimSpace(root()), "\n", "\n      ") + "\n" + rest + "\n---\n"
}

// root is a certificate that attestations lead to.
var root = sync.OnceValue(func() string {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2046, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
})

func subject(name string) policies.Subject {
	return policies.Subject{Issuer: "https://id.example.com", Subject: name}
}

// person is somebody with groups by the directory, and the same or others by the roster
// after a slash: "ann dev,ops / lead".
func person(text string) analysis.Person {
	front, back, split := strings.Cut(text, "/")
	fields := strings.Fields(front)
	p := analysis.Person{Person: policies.Person{Subject: subject(fields[0]), Name: strings.ToUpper(fields[0][:1]) + fields[0][1:]}}
	if len(fields) > 1 {
		p.Groups = strings.Split(fields[1], ",")
	}
	if split {
		key := analysis.Passkey{Attested: true}
		for _, f := range strings.Fields(back) {
			switch {
			case f == "plain":
				key.Attested = false
			case strings.Contains(f, "@"):
				p.Email = f
			default:
				key.Groups = append(key.Groups, strings.Split(f, ",")...)
			}
		}
		p.Passkeys = []analysis.Passkey{key}
	}
	return p
}

func population(delegations []analysis.Delegation, texts ...string) *analysis.Population {
	var people []analysis.Person
	for _, text := range texts {
		people = append(people, person(text))
	}
	return analysis.NewPopulation(people, delegations)
}

// role is a document of a role with what else it says.
func role(name string, rest string) string {
	text := "kind: Role\nname: " + name + "\ndescription: A role\nreason: optional\n"
	if !strings.Contains("\n"+rest, "\nlogins:") {
		text += "logins: [root]\n"
	}
	if !strings.Contains("\n"+rest, "\nduration:") {
		text += "duration: {default: 1h, longest: 4h}\n"
	}
	if !strings.Contains("\n"+rest, "\ntargets:") {
		text += "targets: {labels: {env: prod}}\n"
	}
	if !strings.Contains("\n"+rest, "\nrequesters:") {
		text += "requesters: [dev]\n"
	}
	if !strings.Contains("\n"+rest, "\napproval:") {
		text += "approval: []\n"
	}
	return text + rest
}
