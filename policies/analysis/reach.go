package analysis

import (
	"time"

	"stint/policies"
)

// Who is a person to whom something applies, with why.
type Who struct {
	policies.Subject
	Name string `json:"name"`
	Why  []Why  `json:"why"`
}

// By what somebody may do something.
const (
	ByGroup      = "group"
	ByManager    = policies.RelationManager
	ByOwner      = policies.RelationOwner
	ByDelegation = "delegation"
	ByEscalation = "escalation"
)

// Why is one ground.
type Why struct {
	By    string            `json:"by"`
	Group string            `json:"group"`
	For   *policies.Subject `json:"for,omitempty"`   // ByDelegation: on whose behalf
	Team  string            `json:"team,omitempty"`  // ByManager
	After time.Duration     `json:"after,omitempty"` // ByEscalation
	Text  string            `json:"text"`            // the same as a phrase: "in dba-lead"
}

// RoleAnswer is who can do what with a role.
type RoleAnswer struct {
	Role       string        `json:"role"`
	Ask        []Who         `json:"ask"`
	Excluded   []Excluded    `json:"excluded"`
	Stages     []StageAnswer `json:"stages"` // added ones too
	BreakGlass []Who         `json:"break_glass"`
	Review     []Who         `json:"review"` // who closes the review of an emergency
	Replay     []Who         `json:"replay"` // who may see its recordings
}

// Excluded is somebody who is in a group that may ask, and is kept out all the same: by a
// separation of duty, or because a requirement can never hold for them.
type Excluded struct {
	policies.Subject
	Name       string   `json:"name"`
	Separation string   `json:"separation"`        // empty where a requirement or restriction does
	Targets    []string `json:"targets,omitempty"` // on these only
	Text       string   `json:"text"`
}

// StageAnswer is who may fill a stage.
type StageAnswer struct {
	Name      string   `json:"name"`
	Count     int      `json:"count"`
	Added     string   `json:"added,omitempty"`  // by which restriction
	When      string   `json:"when,omitempty"`   // only where this holds
	After     []string `json:"after,omitempty"`  // stages that come first
	Spared    []string `json:"spared,omitempty"` // by which allowances
	Approvers []Who    `json:"approvers"`
}

// PersonAnswer is what a person can do, under all of their identities.
type PersonAnswer struct {
	Name        string             `json:"name"`
	Identities  []policies.Subject `json:"identities"`
	Ask         []Reach            `json:"ask"`
	Approve     []Approves         `json:"approve"`
	Separations []Concern          `json:"separations"`
}

// Reach is a role that a person may ask for.
type Reach struct {
	Role       string   `json:"role"`
	Why        []Why    `json:"why"`
	Targets    []string `json:"targets"` // without those that a separation keeps from them
	Logins     []string `json:"logins"`
	BreakGlass bool     `json:"break_glass,omitempty"`
	People     int      `json:"people"` // how many must act together, this person among them; zero: it cannot be had
}

// Approves is a stage that a person may fill.
type Approves struct {
	Role  string `json:"role"`
	Stage string `json:"stage"`
	Why   []Why  `json:"why"`
}

// Concern is a separation of duty that touches somebody.
type Concern struct {
	Separation string   `json:"separation"`
	Forbid     string   `json:"forbid"`
	Roles      []string `json:"roles"` // of those it names, the ones the person is in the groups for
	Violated   bool     `json:"violated"`
	Text       string   `json:"text"`
}
