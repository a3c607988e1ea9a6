package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Paths of devices.
const (
	PathDevices     = "/api/devices"                  // GET ?view=mine|all&limit=&cursor= -> Devices; POST DeviceEnrolment -> Device
	PathPosture     = "/api/devices/{device}/posture" // POST SignedByDevice -> Device
	PathBlockDevice = "/api/devices/{device}/block"   // POST DeviceBlock -> Device: at once, without proof
	PathBindFleet   = "/api/devices/{device}/fleet"   // POST FleetChoice -> Device: by somebody else than its owner
)

// PathChallengeDevice asks what shows that a device's key is in a TPM, before the
// device is enrolled: POST DeviceEnrolment -> DeviceChallenge.
const PathChallengeDevice = "/api/devices/challenge"

// Device is a machine whose key the signer knows.
type Device struct {
	ID       string        `json:"id"`
	Name     string        `json:"name"`
	Owner    Person        `json:"owner"`
	Key      string        `json:"key" doc:"in authorized_keys form"`
	Held     string        `json:"held" enum:"tpm,file" doc:"where the key is held; of a tpm, the TPM said so and answered a challenge"`
	Maker    string        `json:"maker,omitempty" doc:"who certified its TPM, of the makers that the policy lists; absent for none"`
	Enrolled time.Time     `json:"enrolled"`
	Posture  *Posture      `json:"posture,omitempty" doc:"what the machine last said of itself; absent if it told none"`
	Fleet    *FleetHost    `json:"fleet,omitempty" doc:"what the Fleet server last said of the machine; absent if nobody bound the device to a host of Fleet's"`
	Blocked  *Suspension   `json:"blocked,omitempty" doc:"since when it counts for nothing"`
	Rules    []DeviceRules `json:"rules" doc:"what the roles that ask for a device make of it now; of one's own, those that one may ask for"`
	May      []string      `json:"may" doc:"block, bind-fleet"`
}

// Posture is a machine's own word about its state.
type Posture struct {
	At             time.Time `json:"at" doc:"when the machine was asked"`
	System         string    `json:"system"`
	SystemAgeDays  *int      `json:"system_age_days,omitempty" doc:"since its last update; absent where it is not known"`
	DiskEncryption string    `json:"disk_encryption" enum:"on,off,unknown"`
	Firewall       string    `json:"firewall" enum:"on,off,unknown"`
	ScreenLock     string    `json:"screen_lock" enum:"on,off,unknown"`
	SecureBoot     string    `json:"secure_boot" enum:"on,off,unknown"`
	Protection     []string  `json:"protection" doc:"agents that watch the machine"`
}

// FleetHost is which of Fleet's hosts a device is, and what Fleet last said of it.
type FleetHost struct {
	Host    int64      `json:"host" doc:"Fleet's own number of it"`
	UUID    string     `json:"uuid" doc:"as it was when the device was bound, like serial"`
	Serial  string     `json:"serial"`
	By      *Person    `json:"by,omitempty" doc:"who bound the device to the host"`
	Bound   time.Time  `json:"bound"`
	Said    time.Time  `json:"said" doc:"when Fleet last answered"`
	Trouble string     `json:"trouble,omitempty" doc:"why it did not answer when it was last asked, or what is wrong with its answer"`
	Word    *FleetWord `json:"word,omitempty" doc:"absent once Fleet no longer knows the host"`
}

// FleetWord is what Fleet says of a machine. Its dates are those of the machine's
// answers to Fleet; one is absent if the machine never gave it.
type FleetWord struct {
	Name           string     `json:"name" doc:"which the machine's user chooses"`
	System         string     `json:"system"`
	Collected      *time.Time `json:"collected,omitempty" doc:"when the machine last told Fleet of itself"`
	Judged         *time.Time `json:"judged,omitempty" doc:"when it last answered Fleet's policies"`
	DiskEncryption string     `json:"disk_encryption" enum:"on,off,unknown"`
	Passing        int        `json:"passing" doc:"how many of Fleet's policies it passes"`
	Failing        []string   `json:"failing" doc:"the policies that it does not pass, or has not answered yet"`
}

// FleetChoice says which of Fleet's hosts a device is.
type FleetChoice struct {
	Host string `json:"host" minLength:"4" maxLength:"64" doc:"its serial number or hardware UUID, as Fleet knows it"`
}

// DeviceRules is what one role's rule makes of a device.
type DeviceRules struct {
	Role     string   `json:"role"`
	Complies bool     `json:"complies"`
	Reasons  []Reason `json:"reasons"`
}

// Devices is a page of devices, newest first.
type Devices struct {
	Items  []Device `json:"items"`
	Cursor string   `json:"cursor,omitempty"`
	// ReportSeconds is how long a machine may wait until it says again how it is.
	ReportSeconds int64 `json:"report_seconds" doc:"0: no role asks"`
}

// DeviceEnrolment asks to take a device's key as the caller's.
type DeviceEnrolment struct {
	Statement  string        `json:"statement" minLength:"1" maxLength:"16384" doc:"a device statement, made by the command line"`
	Possession string        `json:"possession" minLength:"1" maxLength:"128" doc:"by the device's key, base64url"`
	Signature  string        `json:"signature" minLength:"1" maxLength:"128" doc:"by the login key, base64url"`
	Login      LoginBinding  `json:"login"`
	TPM        *TPMProof     `json:"tpm,omitempty" doc:"exactly where the statement says that a TPM holds the key"`
	Answer     *DeviceAnswer `json:"answer,omitempty" doc:"the TPM's, to a challenge about the rest of this"`
}

// TPMProof is what a TPM says of a device's key (docs/formats/evidence.md).
type TPMProof struct {
	Endorsement []byte       `json:"endorsement,omitempty" doc:"endorsement key, PKIX DER"`
	Certificate []byte       `json:"certificate,omitempty" doc:"of the endorsement key, X.509 DER"`
	Attestation TPMCertified `json:"attestation" doc:"the attestation key, by itself"`
	Creation    []byte       `json:"creation" doc:"of the attestation key: TPMS_CREATION_DATA"`
	Key         TPMCertified `json:"key" doc:"the device's key, by the attestation key"`
}

// TPMCertified is what a TPM states of a key.
type TPMCertified struct {
	Public    []byte `json:"public" doc:"TPMT_PUBLIC"`
	Statement []byte `json:"statement" doc:"TPMS_ATTEST"`
	Signature []byte `json:"signature" doc:"TPMT_SIGNATURE"`
}

// DeviceChallenge is sealed to the TPM that is said to hold a device's key.
type DeviceChallenge struct {
	Credential []byte    `json:"credential" doc:"TPM2B_ID_OBJECT"`
	Secret     []byte    `json:"secret" doc:"TPM2B_ENCRYPTED_SECRET"`
	Expires    time.Time `json:"expires"`
}

// DeviceAnswer is what the TPM found in a DeviceChallenge.
type DeviceAnswer struct {
	Secret  []byte    `json:"secret"`
	Expires time.Time `json:"expires" doc:"the challenge's"`
}

// SignedByDevice is a statement that a device's key signed.
type SignedByDevice struct {
	Statement string `json:"statement" minLength:"1" maxLength:"98304"`
	Signature string `json:"signature" minLength:"1" maxLength:"128" doc:"base64url"`
}

// DeviceProof is what a device adds to an activation that names it.
type DeviceProof struct {
	Signature string          `json:"signature" minLength:"1" maxLength:"128" doc:"by the device's key over the activation, base64url"`
	Posture   *SignedByDevice `json:"posture,omitempty"`
}

// DeviceBlock makes a device count for nothing.
type DeviceBlock struct {
	Reason string `json:"reason,omitempty" maxLength:"500"`
}

// Devices lists the caller's devices, or everybody's for reviewers and administrators.
func (c *Client) Devices(ctx context.Context, everybody bool, limit int, cursor string) (Devices, error) {
	query := url.Values{"view": {"mine"}}
	if everybody {
		query.Set("view", "all")
	}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	set(query, "cursor", cursor)
	return call[Devices](ctx, c, http.MethodGet, PathDevices, query, nil)
}

// ChallengeDevice asks for a challenge of the TPM that holds a device's key.
func (c *Client) ChallengeDevice(ctx context.Context, in DeviceEnrolment) (DeviceChallenge, error) {
	return call[DeviceChallenge](ctx, c, http.MethodPost, PathChallengeDevice, nil, in)
}

// EnrolDevice takes a device's key as the caller's.
func (c *Client) EnrolDevice(ctx context.Context, in DeviceEnrolment) (Device, error) {
	return call[Device](ctx, c, http.MethodPost, PathDevices, nil, in)
}

// ReportPosture says in what state the caller's device is.
func (c *Client) ReportPosture(ctx context.Context, device string, in SignedByDevice) (Device, error) {
	return call[Device](ctx, c, http.MethodPost, expand(PathPosture, device), nil, in)
}

// BindFleet says which of Fleet's hosts a device is. Its own owner may not.
func (c *Client) BindFleet(ctx context.Context, device string, in FleetChoice) (Device, error) {
	return call[Device](ctx, c, http.MethodPost, expand(PathBindFleet, device), nil, in)
}

// BlockDevice makes a device count for nothing, at once.
func (c *Client) BlockDevice(ctx context.Context, device string, in DeviceBlock) (Device, error) {
	return call[Device](ctx, c, http.MethodPost, expand(PathBlockDevice, device), nil, in)
}
