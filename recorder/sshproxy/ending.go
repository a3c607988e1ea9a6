package sshproxy

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"stint/recorder/cast"
)

// The reasons for which a session ends, as recorder/wire has them.
const (
	reasonCompleted      = string(cast.Completed) // the client hung up
	reasonDropped        = string(cast.Dropped)
	reasonRevoked        = string(cast.Revoked)
	reasonExpired        = string(cast.Expired)
	reasonKilled         = string(cast.Killed)
	reasonLeaseLost      = string(cast.LeaseLost)
	reasonRecorderFailed = string(cast.RecorderFailed)
	reasonProxyStopped   = string(cast.ProxyStopped)
	reasonFailed         = string(cast.Failed) // the target could not be reached, or went away
)

// reasonPattern is the form of a reason in a recording.
var reasonPattern = regexp.MustCompile(`^[a-z-]{1,32}$`)

// ending is why a session ends.
type ending struct {
	reason string
	by     string // a person's name, for the notice
	at     time.Time
	detail string // for reasonFailed and reasonRecorderFailed: what happened, a clause for people
}

// lets tells whether what the target already said may still reach the client.
// Where access was taken away, nothing does.
func (e ending) lets() bool {
	return e.reason == reasonCompleted || e.reason == reasonFailed || e.reason == reasonProxyStopped
}

// notice is what the person at the terminal is told.
func (e ending) notice() string {
	by := ""
	if e.by != "" {
		by = " by " + printable(e.by)
	}
	at := clock(e.at)
	switch e.reason {
	case reasonRevoked:
		return fmt.Sprintf("stint: access revoked%s at %s", by, at)
	case reasonDropped:
		return fmt.Sprintf("stint: access given back%s at %s", by, at)
	case reasonExpired:
		return fmt.Sprintf("stint: this grant ended at %s. Ask again: stint request", at)
	case reasonKilled:
		return fmt.Sprintf("stint: this session was ended%s at %s", by, at)
	case reasonLeaseLost:
		return "stint: the broker can no longer be reached, so this session ends. Connect again in a moment"
	case reasonRecorderFailed:
		return "stint: this session can no longer be recorded, so it ends"
	case reasonProxyStopped:
		return "stint: the proxy is stopping. Connect again in a moment"
	case reasonFailed:
		return "stint: " + e.detail
	default:
		return fmt.Sprintf("stint: this session ended at %s (%s)", at, printable(e.reason))
	}
}

// note is what the recording says beside the reason.
func (e ending) note() string {
	if e.reason == reasonCompleted {
		return ""
	}
	return strings.TrimPrefix(e.notice(), "stint: ")
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
