package policies

import (
	"fmt"
	"slices"
	"strings"

	"filippo.io/age"
)

// Recordings says for whom recordings are sealed: the proxy encrypts each to these
// keys, and cannot read back what it wrote. Without them no session is opened.
type Recordings struct {
	// Recipients are age recipients, any one of whose identities opens everything
	// in a recording but what was typed.
	Recipients []string `yaml:"recipients" json:"recipients,omitempty"`
	// Input says who opens what was typed, passwords among it.
	Input InputReviewers `yaml:"input" json:"input"`
}

// InputReviewers are two sides, of which it takes one identity each: what was typed
// is sealed to the first, and that to the second.
type InputReviewers struct {
	First  []string `yaml:"first" json:"first,omitempty"`
	Second []string `yaml:"second" json:"second,omitempty"`
}

// Given tells whether the policy says for whom recordings are sealed.
func (r Recordings) Given() bool { return len(r.Recipients) > 0 }

// MostRecipients bounds each list of recipients.
const MostRecipients = 16

// Whether what is carried is kept, or only what was done with it.
const (
	KeepEvents  = "events"  // names, sizes and digests
	KeepContent = "content" // every byte too
)

// What becomes of sessions while the broker lives and takes no recordings: its disk is
// full, or its store is away.
const (
	OutageEnd  = "end"  // they end, and none starts
	OutageHold = "hold" // they go on as long as the proxy has room for what it records
)

// mostBulk bounds RecordingRule.BulkMebibytes: a pebibyte.
const mostBulk = 1 << 30

// CheckRecipient says what is wrong with an age recipient: a native one (X25519, or
// the hybrid of it and ML-KEM-768), as age-keygen shows it.
func CheckRecipient(text string) error {
	if strings.HasPrefix(text, "AGE-SECRET-KEY-") {
		return fmt.Errorf("this is the secret half of a key; remove it from wherever it was written, and use another key. Write what age-keygen calls the public key")
	}
	var err error
	if strings.HasPrefix(text, "age1pq1") {
		_, err = age.ParseHybridRecipient(text)
	} else {
		_, err = age.ParseX25519Recipient(text)
	}
	if err != nil {
		return fmt.Errorf("%q is no age recipient; write what age-keygen calls the public key, which begins with age1", shown(text))
	}
	return nil
}

func (l *loader) checkRecordings(d definition) {
	r := d.organization.Recordings
	if !l.written(d, field("recordings")) {
		return
	}
	for _, list := range []struct {
		at    []any
		keys  []string
		empty string
	}{
		{field("recordings", "recipients"), r.Recipients, "`recipients` names the keys that open recordings."},
		{field("recordings", "input", "first"), r.Input.First, "`first` names the keys of one side, without which nobody opens what was typed."},
		{field("recordings", "input", "second"), r.Input.Second, "`second` names the keys of the other side, without which nobody opens what was typed."},
	} {
		if len(list.keys) == 0 {
			l.at(d, list.at, "%s", list.empty)
		}
		bound(l, d, list.at, list.keys, MostRecipients)
		for i, key := range list.keys {
			l.is(d, append(slices.Clone(list.at), i), CheckRecipient(key))
		}
		l.distinct(d, list.at, list.keys)
	}
	for i, key := range r.Input.Second {
		if slices.Contains(r.Input.First, key) {
			l.at(d, field("recordings", "input", "second", i), "This key stands in `first` too; whoever holds it would open what was typed alone.")
		}
	}
}

func (l *loader) checkRecording(d definition) {
	r := d.role.Recording
	if l.written(d, field("recording", "reviewers")) {
		l.groups(d, field("recording", "reviewers"), r.Reviewers, "`reviewers` names the groups that may replay the role's sessions, or is left out.")
	}
	if l.written(d, field("recording", "files")) {
		l.word(d, field("recording", "files"), r.Files, KeepEvents, KeepContent)
	}
	if l.written(d, field("recording", "forwards")) {
		l.word(d, field("recording", "forwards"), r.Forwards, KeepEvents, KeepContent)
	}
	l.counts(d, field("recording", "bulkMebibytes"), r.BulkMebibytes, 1, mostBulk)
	if l.written(d, field("recording", "outage")) {
		l.word(d, field("recording", "outage"), r.Outage, OutageEnd, OutageHold)
	}
}

func (d *differ) recordings(before, after Recordings) {
	d.members(before.Recipients, after.Recipients, "The key %s opens recordings from now on.", "Recordings are no longer sealed for the key %s.")
	d.members(before.Input.First, after.Input.First, "The key %s opens what was typed, together with one of the second side.", "What is typed is no longer sealed for the key %s of the first side.")
	d.members(before.Input.Second, after.Input.Second, "The key %s opens what was typed, together with one of the first side.", "What is typed is no longer sealed for the key %s of the second side.")
}

func (d *differ) recording(name string, old, now RecordingRule) {
	d.bounded(old.Reviewers, now.Reviewers, "%s: its sessions are replayed by its own reviewers, not the organization's.", "%s: its sessions are replayed by the organization's reviewers, not its own.",
		"%s: members of %s may replay its sessions.", "%s: members of %s may no longer replay its sessions.", name)
	d.choice(old.Files == KeepContent, now.Files == KeepContent,
		"%s: recordings hold the content of copied files.", "%s: recordings hold names, sizes and digests of copied files, not their content.", name)
	d.choice(old.Forwards == KeepContent, now.Forwards == KeepContent,
		"%s: recordings hold what goes through forwarded ports.", "%s: recordings hold where forwarded ports lead and how much goes through, not its content.", name)
	d.choice(old.Outage == OutageHold, now.Outage == OutageHold,
		"%s: sessions go on while the broker takes no recordings, as long as the proxy has room for them.", "%s: sessions end when the broker takes no recordings.", name)
	switch {
	case old.BulkMebibytes == now.BulkMebibytes:
	case now.BulkMebibytes == 0:
		d.say("%s: everything that a command without a terminal sends is kept.", name)
	default:
		d.say("%s: of what a command without a terminal sends, the first %d MiB are kept whole, and samples and digests of the rest.", name, now.BulkMebibytes)
	}
}
