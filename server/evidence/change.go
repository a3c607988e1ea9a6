package evidence

import (
	"time"

	"stint/policies"
)

// What a RosterChange may do.
const (
	ChangeGroups        = "groups"
	ChangeUnsuspend     = "unsuspend"
	ChangeSuspend       = "suspend"
	ChangeDelete        = "delete"
	ChangeRemovePasskey = "remove-passkey"
)

// What an End may say: how a request ended.
const (
	EndDenied    = "denied"
	EndWithdrawn = "withdrawn"
	EndDropped   = "dropped"
	EndRevoked   = "revoked"
)

// How a device holds its key.
const (
	HeldTPM  = policies.HeldTPM
	HeldFile = policies.HeldFile
)

// RosterChange is a change of somebody's standing that needs the quorum.
type RosterChange struct {
	Instance string
	Change   string // ChangeGroups and so on
	Person   policies.Subject
	Name     string
	Email    string
	Groups   []string // sorted, distinct; what the person is in afterwards, or still, where Change is another
	// Passkeys are credential ids, sorted and distinct. For ChangeGroups: the
	// person's active passkeys that speak for Groups from then on; no other of
	// theirs speaks for any group. For ChangeRemovePasskey: the one. Else none.
	Passkeys []string
	Issued   time.Time
	Expires  time.Time // administrators may sign until then
	Nonce    string
}

// PolicyChange puts a new policy bundle in the place of the one in force.
type PolicyChange struct {
	Instance string
	Before   string   // digest of the bundle in force
	After    string   // digest of the new one
	Changes  []string // policies.Difference of both, exactly
	Reason   string
	Issued   time.Time
	Expires  time.Time
	Nonce    string
}

// InventoryChange says which targets an inventory holds from then on, in the
// place of all that it held before. The inventory's own key signs it, which the
// policy names.
type InventoryChange struct {
	Instance  string
	Inventory string // name of the inventory in the policy
	Number    int64  // greater than that of every earlier one
	Targets   string // digest of the targets document, see policies.ParseTargets
	Issued    time.Time
	Expires   time.Time // the targets are gone from then on
	Nonce     string
}

// Succession says that a key of the signer's follows another. The predecessor's
// private key signs it.
type Succession struct {
	Instance    string
	Purpose     string // PurposeUserCA and so on
	Key         string // form of ParseAuthorityKey
	Predecessor string
	Issued      time.Time
	Nonce       string
}

// Device names a device's key.
type Device struct {
	Instance   string
	Person     policies.Subject
	Device     string // id
	DeviceName string
	DeviceKey  string // form of ParseAuthorityKey
	Held       string // HeldTPM or HeldFile
	Issued     time.Time
	Expires    time.Time
	Nonce      string
}

// End is somebody's word that they ended a request. Ending needs no proof: it is
// evidence of who did.
type End struct {
	Instance string
	Request  string
	Change   string // EndDenied and so on
	Person   policies.Subject
	Reason   string
	Issued   time.Time
	Nonce    string
}

// Kind is KindRoster.
func (*RosterChange) Kind() Kind { return KindRoster }

// Kind is KindPolicy.
func (*PolicyChange) Kind() Kind { return KindPolicy }

// Kind is KindInventory.
func (*InventoryChange) Kind() Kind { return KindInventory }

// Kind is KindSuccession.
func (*Succession) Kind() Kind { return KindSuccession }

// Kind is KindDevice.
func (*Device) Kind() Kind { return KindDevice }

// Kind is KindEnd.
func (*End) Kind() Kind { return KindEnd }

var (
	changeForm  = word(ChangeGroups, ChangeUnsuspend, ChangeSuspend, ChangeDelete, ChangeRemovePasskey)
	endForm     = word(EndDenied, EndWithdrawn, EndDropped, EndRevoked)
	heldForm    = word(HeldTPM, HeldFile)
	purposeForm = word(PurposeUserCA, PurposeTargetCA, PurposeHostCA, PurposeToken)
)

func (r *RosterChange) walk(c *codec) {
	field(c, "instance", &r.Instance, nameForm)
	field(c, "change", &r.Change, changeForm)
	field(c, "person", &r.Person, subjectForm)
	field(c, "name", &r.Name, personForm)
	field(c, "email", &r.Email, emailForm)
	field(c, "groups", &r.Groups, groupsForm)
	field(c, "passkeys", &r.Passkeys, credentialsForm)
	field(c, "issued", &r.Issued, timeForm)
	field(c, "expires", &r.Expires, timeForm)
	field(c, "nonce", &r.Nonce, hexForm)
}

func (p *PolicyChange) walk(c *codec) {
	field(c, "instance", &p.Instance, nameForm)
	field(c, "before", &p.Before, digestForm)
	field(c, "after", &p.After, digestForm)
	field(c, "changes", &p.Changes, textsForm)
	field(c, "reason", &p.Reason, reasonForm)
	field(c, "issued", &p.Issued, timeForm)
	field(c, "expires", &p.Expires, timeForm)
	field(c, "nonce", &p.Nonce, hexForm)
}

func (i *InventoryChange) walk(c *codec) {
	field(c, "instance", &i.Instance, nameForm)
	field(c, "inventory", &i.Inventory, nameForm)
	field(c, "number", &i.Number, counterForm)
	field(c, "targets", &i.Targets, digestForm)
	field(c, "issued", &i.Issued, timeForm)
	field(c, "expires", &i.Expires, timeForm)
	field(c, "nonce", &i.Nonce, hexForm)
}

func (s *Succession) walk(c *codec) {
	field(c, "instance", &s.Instance, nameForm)
	field(c, "purpose", &s.Purpose, purposeForm)
	field(c, "key", &s.Key, authorityKeyForm)
	field(c, "predecessor", &s.Predecessor, authorityKeyForm)
	field(c, "issued", &s.Issued, timeForm)
	field(c, "nonce", &s.Nonce, hexForm)
}

func (d *Device) walk(c *codec) {
	field(c, "instance", &d.Instance, nameForm)
	field(c, "person", &d.Person, subjectForm)
	field(c, "device", &d.Device, requestForm)
	field(c, "device-name", &d.DeviceName, personForm)
	field(c, "device-key", &d.DeviceKey, authorityKeyForm)
	field(c, "held", &d.Held, heldForm)
	field(c, "issued", &d.Issued, timeForm)
	field(c, "expires", &d.Expires, timeForm)
	field(c, "nonce", &d.Nonce, hexForm)
}

func (e *End) walk(c *codec) {
	field(c, "instance", &e.Instance, nameForm)
	field(c, "request", &e.Request, requestForm)
	field(c, "change", &e.Change, endForm)
	field(c, "person", &e.Person, subjectForm)
	field(c, "reason", &e.Reason, reasonForm)
	field(c, "issued", &e.Issued, timeForm)
	field(c, "nonce", &e.Nonce, hexForm)
}
