package sshproxy

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"stint/recorder/wire"
)

// reasonPattern is the form of a reason in a recording.
var reasonPattern = regexp.MustCompile(`^[a-z-]{1,32}$`)

// ending is why a session ends.
type ending struct {
	reason string
	by     string // a person's name, for the notice
	at     time.Time
	cause  error  // for the log; nil where the rest says all
	detail string // for wire.ReasonFailed, wire.ReasonRecorderFailed, wire.ReasonIdle and wire.ReasonReauthentication: what happened, a clause for people
}

// lets tells whether what the target already said may still reach the client.
// Where access was taken away, nothing does.
func (e ending) lets() bool {
	return e.reason == wire.ReasonCompleted || e.reason == wire.ReasonFailed || e.reason == wire.ReasonProxyStopped
}

// endsGrant tells whether the grant itself is over, and not one session only.
func (e ending) endsGrant() bool {
	return e.reason == wire.ReasonDropped || e.reason == wire.ReasonRevoked || e.reason == wire.ReasonExpired
}

// notice is what the person at the terminal is told.
func (e ending) notice() string {
	by := ""
	if e.by != "" {
		by = " by " + printable(e.by)
	}
	at := clock(e.at)
	switch e.reason {
	case wire.ReasonRevoked:
		return fmt.Sprintf("stint: access revoked%s at %s", by, at)
	case wire.ReasonDropped:
		return fmt.Sprintf("stint: access given back%s at %s", by, at)
	case wire.ReasonExpired:
		return fmt.Sprintf("stint: this grant ended at %s. Ask again: stint request", at)
	case wire.ReasonKilled:
		return fmt.Sprintf("stint: this session was ended%s at %s", by, at)
	case wire.ReasonDevice:
		return fmt.Sprintf("stint: this session was ended at %s: this machine no longer does what the role asks of machines. See: stint device", at)
	case wire.ReasonIdle, wire.ReasonReauthentication:
		return fmt.Sprintf("stint: this session was ended at %s: %s", at, e.detail)
	case wire.ReasonLeaseLost:
		return "stint: the broker can no longer be reached, so this session ends. Connect again in a moment"
	case wire.ReasonRecorderFailed:
		if e.detail != "" {
			return "stint: this session can no longer be recorded, since " + e.detail + ". So it ends"
		}
		return "stint: this session can no longer be recorded, so it ends"
	case wire.ReasonProxyStopped:
		return "stint: the proxy is stopping. Connect again in a moment"
	case wire.ReasonFailed:
		return "stint: " + e.detail
	default:
		return fmt.Sprintf("stint: this session ended at %s (%s)", at, printable(e.reason))
	}
}

// note is what the recording says beside the reason.
func (e ending) note() string {
	if e.reason == wire.ReasonCompleted {
		return ""
	}
	return strings.TrimPrefix(e.notice(), "stint: ")
}

// refusal is what somebody is told who comes when a grant has ended.
func (e ending) refusal() string {
	if e.reason == wire.ReasonDropped || e.reason == wire.ReasonRevoked {
		return e.note() + ". Ask again: stint request"
	}
	return e.note()
}

// printable makes text from elsewhere safe for a terminal: one line of visible
// characters, of bounded length.
func printable(text string) string {
	const most = 200
	out := make([]rune, 0, min(len(text), most))
	for _, r := range text {
		if len(out) == most {
			return string(out) + "…"
		}
		if !isVisible(r) {
			r = '?'
		}
		out = append(out, r)
	}
	return string(out)
}
