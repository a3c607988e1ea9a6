package evidence_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"math/big"
	"strings"
	"testing"
	"time"

	"stint/policies"
	"stint/server/evidence"
)

// vectorPoint is the P-256 key whose private half is one: the curve's base point.
func vectorPoint() crypto.PublicKey {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), big.NewInt(1).FillBytes(make([]byte, 32)))
	if err != nil {
		panic(err)
	}
	return key.Public()
}

// vectorTime is a moment in vectors.
var vectorTime = time.Date(2026, 11, 22, 21, 45, 38, 0, time.UTC)

// changeVectors are those of the statements by which an installation changes.
func changeVectors() map[string]evidence.Statement {
	issued := vectorTime
	alice := policies.Subject{Issuer: "https://id.example.com", Subject: "CgVhbGljZRIFbG9jYWw"}
	bob := policies.Subject{Issuer: "https://id.example.com", Subject: "auth0|bob@example.com"}
	point, err := evidence.FormatAuthorityKey(vectorPoint())
	if err != nil {
		panic(err)
	}
	most := make([]string, 64)
	for i := range most {
		most[i] = strings.Repeat(`日"`, 150)
	}
	return map[string]evidence.Statement{
		"roster": &evidence.RosterChange{
			Instance: "k3f9x2mq", Change: evidence.ChangeGroups, Person: bob, Name: "Bob Baker", Email: "bob@example.com",
			Groups: []string{"security", "sre-leads"}, Passkeys: []string{"AQIDBAUGBwgJCgsMDQ4PEA"},
			Issued: issued, Expires: issued.Add(24 * time.Hour), Nonce: strings.Repeat("ab", 16),
		},
		"roster-unsuspend": &evidence.RosterChange{
			Instance: "k3f9x2mq", Change: evidence.ChangeUnsuspend, Person: alice, Name: "Alice Ahrens",
			Issued: issued, Expires: issued.Add(time.Hour), Nonce: strings.Repeat("ac", 16),
		},
		// The credential whose text is the word for an empty list.
		"roster-remove-passkey": &evidence.RosterChange{
			Instance: "k3f9x2mq", Change: evidence.ChangeRemovePasskey, Person: bob, Name: "Bob Baker", Groups: []string{"none"}, Passkeys: []string{"none"},
			Issued: issued, Expires: issued.Add(time.Hour), Nonce: strings.Repeat("ad", 16),
		},
		"policy": &evidence.PolicyChange{
			Instance: "k3f9x2mq", Before: "sha256:" + strings.Repeat("0", 64), After: "sha256:" + strings.Repeat("ab", 32),
			Changes: []string{"The quorum of administrators is 3 instead of 2.", `open: it is described as “a "shell"”.`, "Members of audit are no longer reviewers."},
			Reason:  "OPS-12: a third administrator", Issued: issued, Expires: issued.Add(168 * time.Hour), Nonce: strings.Repeat("bc", 16),
		},
		"policy-longest": &evidence.PolicyChange{
			Instance: strings.Repeat("k", 63), Before: "sha256:" + strings.Repeat("0", 64), After: "sha256:" + strings.Repeat("1", 64),
			Changes: most, Reason: strings.Repeat("𝄞", 500), Issued: issued, Expires: issued.Add(time.Hour), Nonce: strings.Repeat("bd", 16),
		},
		"policy-same": &evidence.PolicyChange{
			Instance: "k3f9x2mq", Before: "sha256:" + strings.Repeat("0", 64), After: "sha256:" + strings.Repeat("2", 64),
			Issued: issued, Expires: issued.Add(time.Hour), Nonce: strings.Repeat("be", 16),
		},
		"inventory": &evidence.InventoryChange{
			Instance: "k3f9x2mq", Inventory: "fleet", Number: 1<<53 - 1, Targets: "sha256:" + strings.Repeat("cd", 32),
			Issued: issued, Expires: issued.Add(time.Hour), Nonce: strings.Repeat("cd", 16),
		},
		"succession": &evidence.Succession{
			Instance: "k3f9x2mq", Purpose: evidence.PurposeTargetCA, Key: vectorKey(4), Predecessor: point, Issued: issued, Nonce: strings.Repeat("de", 16),
		},
		"device": &evidence.Device{
			Instance: "k3f9x2mq", Person: alice, Device: "dev-7h2kq9wz4t", DeviceName: "Alice’s laptop", DeviceKey: point, Held: evidence.HeldTPM,
			Issued: issued, Expires: issued.Add(time.Hour), Nonce: strings.Repeat("ef", 16),
		},
		"activation-device": &evidence.Activation{
			Instance: "k3f9x2mq", Request: "req-7h2kq9wz4t", Revision: 1, RequestDigest: "sha256:" + strings.Repeat("0", 64), Requester: alice,
			SessionKey: vectorKey(1), Device: "dev-7h2kq9wz4t", Posture: "sha256:" + strings.Repeat("ef", 32), Issued: issued, Nonce: strings.Repeat("24", 16),
		},
		"posture": &evidence.Posture{
			Instance: "k3f9x2mq", Device: "dev-7h2kq9wz4t", System: `Debian GNU/Linux 13 "trixie"`, SystemAgeDays: new(0),
			DiskEncryption: policies.On, Firewall: policies.Off, ScreenLock: policies.Unknown, SecureBoot: policies.On,
			Protection: []string{"CrowdStrike Falcon", "Wazuh"}, Issued: issued, Nonce: strings.Repeat("f1", 16),
		},
		"posture-unknown": &evidence.Posture{
			Instance: "k3f9x2mq", Device: "d", System: "unknown", DiskEncryption: policies.Unknown, Firewall: policies.Unknown,
			ScreenLock: policies.Unknown, SecureBoot: policies.Unknown, Issued: issued, Nonce: strings.Repeat("f2", 16),
		},
		"end": &evidence.End{
			Instance: "k3f9x2mq", Request: "req-7h2kq9wz4t", Change: evidence.EndRevoked, Person: bob, Reason: "left the company", Issued: issued, Nonce: strings.Repeat("f0", 16),
		},
	}
}

func TestAuthorityKeysHaveOneSpelling(t *testing.T) {
	t.Parallel()
	point, err := evidence.FormatAuthorityKey(vectorPoint())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{point, vectorKey(3)} {
		parsed, err := evidence.ParseAuthorityKey(key)
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		if again, err := evidence.FormatAuthorityKey(parsed); err != nil || again != key {
			t.Errorf("%s is written %s, %v", key, again, err)
		}
		for _, text := range []string{"", key + "\n", key + " ", " " + key, strings.Replace(key, " ", "\t", 1), key[:len(key)-1], key + "=", strings.Replace(key, "AAAA", "AAAB", 1), key + " me@laptop"} {
			if _, err := evidence.ParseAuthorityKey(text); err == nil {
				t.Errorf("%q was read", text)
			}
		}
	}
	larger, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []crypto.PublicKey{larger.Public(), ed25519.PublicKey("short"), nil, "text"} {
		if text, err := evidence.FormatAuthorityKey(key); err == nil {
			t.Errorf("%T was written as %s", key, text)
		}
	}
}
