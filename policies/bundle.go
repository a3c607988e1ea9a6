package policies

import "time"

// Role is what can be asked for.
type Role struct {
	Name        string   `yaml:"name" json:"name"`
	Description string   `yaml:"description" json:"description"`
	Requesters  []string `yaml:"requesters" json:"requesters"` // groups whose members may ask
	Targets     Selector `yaml:"targets" json:"targets"`
	Logins      []string `yaml:"logins" json:"logins"`
	Duration    Duration `yaml:"duration" json:"duration"`
	// Reason is "required" or "optional".
	Reason string `yaml:"reason" json:"reason"`
	// Approval is the chain of stages. A role without stages is granted at
	// once; lint names it.
	Approval []Stage `yaml:"approval" json:"approval"`
	// Conflicts are roles that nobody may hold at the same time as this one.
	// A conflict named on one side holds for both.
	Conflicts []string `yaml:"conflicts" json:"conflicts"`
	// Device says from which machines the role may be used; the zero value: from any.
	Device DeviceRule `yaml:"device" json:"device"`
}

// Selector picks targets: every label must be equal.
type Selector struct {
	Labels map[string]string `yaml:"labels" json:"labels"`
}

// Duration bounds a grant.
type Duration struct {
	Default time.Duration `yaml:"default" json:"default"`
	Longest time.Duration `yaml:"longest" json:"longest"`
}

// Stage asks for Count distinct approvers out of Groups.
type Stage struct {
	Name   string   `yaml:"name" json:"name"`
	Groups []string `yaml:"groups" json:"groups"`
	Count  int      `yaml:"count" json:"count"`
}

// Target is one host. Its address and host key are policy, not discovery, so
// that nobody can relabel or redirect it without a change of the bundle.
type Target struct {
	Name    string            `yaml:"name" json:"name"`
	Address string            `yaml:"address" json:"address"`  // host:port
	HostKey string            `yaml:"hostKey" json:"host_key"` // authorized_keys form
	Labels  map[string]string `yaml:"labels" json:"labels"`
}

// Organization holds what is true for the whole installation.
type Organization struct {
	// Reviewers are the groups that may see every request, session and audit
	// event, and replay recordings.
	Reviewers []string `yaml:"reviewers" json:"reviewers"`
	// Aliases are sets of identities that belong to one person; none of them
	// may approve what another of them asks. Equal e-mail addresses are always
	// taken as one person.
	Aliases [][]Subject `yaml:"aliases" json:"aliases"`
	// Quorum is how many different administrators must sign what widens
	// somebody's reach, and every new policy. Where it is absent it is DefaultQuorum.
	Quorum int `yaml:"quorum" json:"quorum"`
	// Attestation says who needs a passkey on an authenticator of a known make.
	Attestation Attestation `yaml:"attestation" json:"attestation"`
	// TPMMakers are the makers of TPMs that are believed, for roles that demand it.
	TPMMakers []TPMMaker `yaml:"tpmMakers" json:"tpm_makers"`
	// Inventories are sources of targets that come and go.
	Inventories []Inventory `yaml:"inventories" json:"inventories"`
}

// DefaultQuorum is the quorum where the policy states none.
const DefaultQuorum = 2

// MostQuorum bounds the quorum.
const MostQuorum = 16

// Attestation demands, of every enrolment that states one of Groups, proof that
// the passkey lives on one of Authenticators.
type Attestation struct {
	Groups         []string        `yaml:"groups" json:"groups"`
	Authenticators []Authenticator `yaml:"authenticators" json:"authenticators"`
}

// Authenticator is a make of authenticators (Web Authentication Level 3, section
// 6.5.1) with the certificates that its attestations lead to.
type Authenticator struct {
	// AAGUID is a UUID or its 32 hex digits in the file, and 32 small hex digits
	// in a bundle.
	AAGUID string   `yaml:"aaguid" json:"aaguid"`
	Name   string   `yaml:"name" json:"name"`
	Roots  []string `yaml:"roots" json:"roots"` // each one certificate in PEM
}

// Inventory is a source of targets beside the policy's own, such as a platform
// team's pipeline. What it brings is signed by Key, and may bear only labels
// that Labels lists, with the values that stand there.
type Inventory struct {
	Name   string              `yaml:"name" json:"name"`
	Key    string              `yaml:"key" json:"key"` // ssh-ed25519 or ecdsa-sha2-nistp256, without a comment
	Labels map[string][]string `yaml:"labels" json:"labels"`
}

// AdministratorsGroup is the roster group whose members make up the quorum.
const AdministratorsGroup = "administrators"
