package sshproxy

import (
	"encoding/binary"
	"regexp"
)

// terminalPattern is what names of terminals look like (terminfo's, and none).
var terminalPattern = regexp.MustCompile(`^[A-Za-z0-9._+-]{0,64}$`)

// maxSpeed is the highest speed of a line, in bits a second, that any system knows.
const maxSpeed = 4_000_000

// plainModes keeps of the modes of a terminal (RFC 4254, section 8; RFC 8160) those
// that set something, each once and in its range. They are not recorded, so nothing
// else may travel in their place.
func plainModes(modes string) string {
	var kept []byte
	var seen [256]bool
	for len(modes) >= 5 && modes[0] != 0 {
		mode, value := modes[0], binary.BigEndian.Uint32([]byte(modes[1:5]))
		if most, known := mostOfMode(mode); known && !seen[mode] && value <= most {
			kept = append(kept, modes[:5]...)
		}
		seen[mode] = true
		modes = modes[5:]
	}
	return string(append(kept, 0))
}

// mostOfMode is the largest value of a mode that there is.
func mostOfMode(mode byte) (most uint32, known bool) {
	switch {
	case mode >= 1 && mode <= 18: // control characters; 255 for none
		return 255, true
	case mode >= 30 && mode <= 42, mode >= 50 && mode <= 62, mode >= 70 && mode <= 75, mode >= 90 && mode <= 93: // switches
		return 1, true
	case mode == 128 || mode == 129: // speeds
		return maxSpeed, true
	}
	return 0, false
}
