package access

import "strings"

// AlarmStep is one thing to do about an alarm, in the order of doing.
type AlarmStep struct {
	Text string // a sentence, or a few
	// Command does it at a terminal; empty where none does.
	Command string
	// Page is where the portal does or shows it: "request", "session", "audit" or
	// "people"; empty for nowhere.
	Page string
}

// advice is what a kind of alarm means, and what to do about it. A command that
// names REQUEST is for alarms about one.
type advice struct {
	means string
	steps []AlarmStep
}

const revokeRequest = `stint revoke REQUEST --reason "a certificate that nobody can explain"`

// advices hold for each kind what an alarm means and what to do.
var advices = map[string]advice{
	AlarmCertificate: {
		"The signer has issued a certificate, and nothing here was granted that it could be for. Somebody may use a copy of this broker, or may have removed a request from its database.",
		[]AlarmStep{
			{Text: "Compare the entry below with the audit log, and ask the person whom it names. If somebody can explain it, acknowledge the alarm with what they say.", Page: "audit"},
			{Text: "If nobody can: end the request, if it is here.", Command: revokeRequest, Page: "request"},
			{Text: "Suspend the person; it ends all that they hold, and can be lifted.", Page: "people"},
			{Text: "Rotate the key that signed, so that the certificate opens nothing any more.", Command: `stint keys rotate --now --purpose user-ca --reason "a certificate without a grant"`},
			{Text: "Give the broker a new certificate of its own, and take the old one out of the signer's configuration, so that a copy of the broker is no longer heard."},
		},
	},
	AlarmSession: {
		"A session was opened, or a certificate stored, that the signer's ledger does not hold. The key that signed it may be in other hands.",
		[]AlarmStep{
			{Text: "End the session if it is still live, and look at its recording: what was done?", Page: "session"},
			{Text: "End the grant, so that nothing is opened under it again.", Command: revokeRequest, Page: "request"},
			{Text: "Rotate the key that signed, so that whoever has a copy of it opens nothing any more.", Command: `stint keys rotate --now --purpose user-ca --reason "a session without a certificate in the ledger"`},
			{Text: "Find out who could read the signer's keys: its data directory, its backups, its module's slots."},
		},
	},
	AlarmKey: {
		"A certificate was signed by a key that was not in use then. A key that was retired or withdrawn may have been copied.",
		[]AlarmStep{
			{Text: "End the grant.", Command: revokeRequest, Page: "request"},
			{Text: "Rotate now: the key is withdrawn, and nothing under it is accepted any more. Run it twice if the next key may be copied too.", Command: `stint keys rotate --now --purpose user-ca --reason "a copied key signed"`},
			{Text: "Find out where copies of the key are: images, snapshots and backups of the signer's machine."},
		},
	},
	AlarmSerial: {
		"A target let somebody in by a certificate that the signer's ledger does not hold. The key that targets trust may be in other hands.",
		[]AlarmStep{
			{Text: "Look who is on the target now, or take it off the network. Its sshd's log names the serial and where it came from."},
			{Text: "Rotate the target key, so that targets refuse what the old one signed.", Command: `stint keys rotate --now --purpose target-ca --reason "a target accepted a certificate of nobody's"`},
			{Text: "Make sure that every target follows: the timer with stint trust sync fetches the new key, and says so in its log."},
			{Text: "Find out who could read the signer's keys, and what was done on the target: no recording of it exists."},
		},
	},
	AlarmForked: {
		"The signer's ledger contradicts what this broker has mirrored: entries were altered, or somebody else signs with the ledger's key.",
		[]AlarmStep{
			{Text: "Stop the signer. Nothing new is given then; sessions that are live go on until their lease or their time is over."},
			{Text: "Keep both sides as they are. What was found, below, holds the two signed checkpoints: together they prove it to anybody."},
			{Text: "Restore the signer's data directory from an unaltered copy that holds all entries, and start it again."},
		},
	},
	AlarmWentBack: {
		"The signer's ledger lacks entries that this broker has mirrored: its disk was put back to an older state. Endings and removals may be among what is missing.",
		[]AlarmStep{
			{Text: "Restore the signer's data directory from a copy that holds all entries. The signer gives nothing until then."},
			{Text: "Find out who put it back. If it was you, after a failure: the newest backup counts, not the last one that started."},
		},
	},
	AlarmReplaced: {
		"The signer has begun a new ledger, with new keys. Nothing of the old one counts any more.",
		[]AlarmStep{
			{Text: "If you began the signer anew on purpose, acknowledge this, and give targets and clients the new keys."},
			{Text: "If not, somebody has replaced it: stop it, keep its data directory as it is, and restore the one of before."},
		},
	},
	AlarmMirrorEmptied: {
		"The mirror of the signer's ledger is gone from this broker's database, though certificates are there that were issued under it. The broker can no longer tell whether the signer was put back to an older state.",
		[]AlarmStep{
			{Text: "If the database was restored from an older copy, acknowledge this."},
			{Text: "If not, find out who can write to it, and ask a witness for the newest checkpoint it has seen."},
		},
	},
	AlarmUnreadable: {
		"An entry of the signer's ledger is not understood, so nothing can be said about it. Broker and signer may be of different versions.",
		[]AlarmStep{{Text: "Bring the broker to the signer's version, or newer. If they are the same already, treat the signer as replaced: stop it, and compare its binary with the release."}},
	},
	AlarmBreakGlass: {
		"Somebody asked to act alone, without anybody's approval, as the role allows in an emergency. They have it once they have confirmed with their passkey.",
		[]AlarmStep{
			{Text: "Speak with the person now: is it they, and is there an emergency?"},
			{Text: "If not: end it at once.", Command: revokeRequest, Page: "request"},
			{Text: "Afterwards, look at the recordings and close the review, or the role locks for everybody.", Page: "request"},
		},
	},
	AlarmMore: {
		"More was found than alarms of one kind are kept for. What was left out stands in the broker's log only. A proxy or a target in other hands can do that.",
		[]AlarmStep{
			{Text: "Look into the open alarms of that kind first: often one cause explains all."},
			{Text: "Read the rest in the broker's log, where each is an error with the word alarm."},
			{Text: "Acknowledge them; what is found later is shown again."},
		},
	},
}

// Advice says what an alarm means and what to do about it, step by step. A step that
// needs a request or a session is left out where the alarm is about none.
func (a Alarm) Advice() (means string, steps []AlarmStep) {
	known := advices[a.Kind]
	for _, step := range known.steps {
		named := strings.Contains(step.Command, "REQUEST")
		if (step.Page == "request" || named) && a.Request == "" || step.Page == "session" && a.Session == "" {
			continue
		}
		if named {
			step.Command = strings.Replace(step.Command, "REQUEST", a.Request, 1)
		}
		steps = append(steps, step)
	}
	return known.means, steps
}
