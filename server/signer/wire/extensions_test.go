package wire

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestTargetsAllowWhatTheRoleGives(t *testing.T) {
	t.Parallel()
	for channels, want := range map[string]string{
		"":                             "permit-port-forwarding permit-pty",
		"shell exec sftp":              "permit-pty",
		"shell forward":                "permit-port-forwarding permit-pty",
		"remote-forward":               "permit-port-forwarding permit-pty",
		"shell agent":                  "permit-agent-forwarding permit-pty",
		"shell x11":                    "permit-X11-forwarding permit-pty",
		"agent x11 forward tomorrow":   "permit-X11-forwarding permit-agent-forwarding permit-port-forwarding permit-pty",
		"permit-port-forwarding shell": "permit-pty",
	} {
		got := slices.Sorted(maps.Keys(SessionRules{Channels: strings.Fields(channels)}.Extensions()))
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q instead of %q", channels, got, want)
		}
	}
}
