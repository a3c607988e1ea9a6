package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Paths of the mirror of the signer's ledger and of what is found wrong with it.
// {alarm} is an alarm's id.
const (
	PathAlarms           = "/api/alarms"                     // GET ?state=open|all&limit=&cursor= -> Alarms, newest first; for reviewers and administrators
	PathAcknowledgeAlarm = "/api/alarms/{alarm}/acknowledge" // POST Taking -> Alarm
	PathAcceptedSerials  = "/api/accepted-serials"           // POST AcceptedSerials -> AcceptedSerialsResult; no sign-in, signed by the target's host key

	// The mirror speaks C2SP tlog-tiles: hashes to everybody, entries to
	// reviewers and administrators, since they hold people's ID tokens.
	PathLedgerCheckpoint = "/ledger/checkpoint" // GET, no authentication
	PathLedgerTiles      = "/ledger/tile/"      // GET <L>/<N>[.p/<W>], no authentication; entries/<N>[.p/<W>] with it
	PathLedgerEntries    = "/api/ledger"        // GET ?from=&limit= -> LedgerEntries: leaves of any length
)

// MostAcceptedSerials bounds one report.
const MostAcceptedSerials = 500

// AcceptedSerials says which certificates a target's sshd accepted. Signature is
// by the target's SSH host key, the one that the policy names, over
// [AcceptedSerials.SigningText]: standard base64 of the SSH wire form of the
// signature (RFC 4253, section 6.6, what x/crypto's ssh.Marshal gives of an
// ssh.Signature). A report may be sent again: it is compared anew.
type AcceptedSerials struct {
	Target    string           `json:"target" maxLength:"63"`
	Serials   []AcceptedSerial `json:"serials" minItems:"1" maxItems:"500"`
	Signature string           `json:"signature" maxLength:"2048"`
}

// AcceptedSerial is one line of sshd's log.
type AcceptedSerial struct {
	Serial uint64    `json:"serial" minimum:"0"`
	KeyID  string    `json:"key_id" maxLength:"256"`
	Login  string    `json:"login" maxLength:"64"`
	Time   time.Time `json:"time" doc:"whole seconds, UTC; of the year 1 where the log does not say exactly"`
}

// SigningText is what the host key signs: a line that names the purpose, a line
// with the target, and a line for each serial. Texts are quoted as JSON strings,
// so that no value can look like another line.
func (a AcceptedSerials) SigningText() []byte {
	var text bytes.Buffer
	fmt.Fprintf(&text, "stint accepted serials 1\n%s\n", quoted(a.Target))
	for _, s := range a.Serials {
		fmt.Fprintf(&text, "%s %s %s %s\n", strconv.FormatUint(s.Serial, 10), quoted(s.KeyID), quoted(s.Login), s.Time.UTC().Format(time.RFC3339))
	}
	return text.Bytes()
}

func quoted(text string) []byte {
	encoded, _ := json.Marshal(text) // a string always encodes
	return encoded
}

// AcceptedSerialsResult answers a report: every serial was compared with the
// signer's ledger as it is now.
type AcceptedSerialsResult struct {
	Known   int      `json:"known"`
	Unknown []uint64 `json:"unknown" doc:"accepted by the target, and in no entry of the ledger for it: an alarm is raised"`
}

// Alarm is something that must not be, and what to do about it. One cause raises
// one alarm, however often it is seen.
type Alarm struct {
	ID     string      `json:"id"`
	Kind   string      `json:"kind" doc:"stable, for example certificate-without-grant"`
	Title  string      `json:"title" doc:"what was found, in one sentence"`
	Means  string      `json:"means" doc:"what that means"`
	Steps  []AlarmStep `json:"steps" doc:"what to do, in this order"`
	Raised time.Time   `json:"raised"`
	// Request and Session are what it is about, where it is about one.
	Request      string     `json:"request,omitempty"`
	Session      string     `json:"session,omitempty"`
	Detail       string     `json:"detail,omitempty" doc:"for whoever looks into it: entries, keys, checkpoints"`
	Acknowledged *time.Time `json:"acknowledged,omitempty"`
	By           *Person    `json:"by,omitempty" doc:"who acknowledged it"`
	Reason       string     `json:"reason,omitempty" doc:"what they said"`
}

// AlarmStep is one thing to do about an alarm.
type AlarmStep struct {
	Text    string `json:"text"`
	Command string `json:"command,omitempty" doc:"does it at a terminal"`
	Page    string `json:"page,omitempty" enum:"request,session,audit,people" doc:"where the portal does or shows it"`
}

// Alarms is a page of alarms, newest first.
type Alarms struct {
	Items  []Alarm `json:"items"`
	Open   int     `json:"open" doc:"how many nobody has acknowledged"`
	Cursor string  `json:"cursor,omitempty"`
}

// LedgerEntries is a run of the signer's ledger as the broker mirrors it.
type LedgerEntries struct {
	From       int64    `json:"from"`
	Entries    []string `json:"entries" doc:"exact bytes of each leaf"`
	Checkpoint string   `json:"checkpoint"`
	Key        string   `json:"key" doc:"verifier key of the checkpoint"`
}
