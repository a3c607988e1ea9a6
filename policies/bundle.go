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
}

// AdministratorsGroup is the roster group whose members sign enrolments.
const AdministratorsGroup = "administrators"
