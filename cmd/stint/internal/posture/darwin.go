package posture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"time"
)

func (m machine) darwin() sources {
	return sources{
		system: []source[System]{saying(m, parseSwVers, "sw_vers")},
		updated: []source[time.Time]{
			saying(m, parseInstallHistory, "system_profiler", "-json", "SPInstallHistoryDataType"),
			saying(m, m.parseUpdateHistory, "softwareupdate", "--history"),
		},
		diskEncryption: []source[bool]{saying(m, parseFdesetup, "fdesetup", "status")},
		firewall:       []source[bool]{saying(m, parseSocketfilterfw, "socketfilterfw", "--getglobalstate")},
		screenLock:     []source[ScreenLock]{{"sysadminctl", m.macLock}},
		secureBoot:     []source[bool]{{"csrutil, system_profiler", m.macBoot}},
		agents:         []source[[]string]{saying(m, parseProcesses, "ps", "-A", "-o", "comm=")},
	}
}

// macLock adds the time until the screen saver begins to the time from then to the lock.
func (m machine) macLock(ctx context.Context) (ScreenLock, error) {
	lock, err := say(ctx, m, parseSysadminctl, "sysadminctl", "-screenLock", "status")
	if err != nil || !lock.On {
		return lock, err
	}
	// Without a time of the person's own it depends on the model and the battery.
	idle, err := say(ctx, m, parseIdleTime, "defaults", "-currentHost", "read", "com.apple.screensaver", "idleTime")
	if err != nil || idle == 0 {
		return ScreenLock{On: true}, nil
	}
	after := idle + *lock.After
	return ScreenLock{On: true, After: &after}, nil
}

// macBoot is on where only what Apple signed starts and runs as the system.
func (m machine) macBoot(ctx context.Context) (bool, error) {
	protected, err := say(ctx, m, parseCsrutil, "csrutil", "status")
	if err != nil || !protected {
		return false, err
	}
	return say(ctx, m, parseBridge, "system_profiler", "-json", "SPiBridgeDataType")
}

func parseSwVers(text []byte) (System, error) {
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		values[name] = strings.TrimSpace(value)
	}
	system := System{Name: values["ProductName"], Version: values["ProductVersion"], Build: values["BuildVersion"]}
	if system.Name == "" || system.Version == "" || !plainWords(system.Name, system.Version, system.Build) {
		return System{}, errUnclear
	}
	return system, nil
}

// parseInstallHistory finds the last thing that Apple installed.
func parseInstallHistory(text []byte) (time.Time, error) {
	var history struct {
		Items []struct {
			Date   string `json:"install_date"`
			Source string `json:"package_source"`
		} `json:"SPInstallHistoryDataType"`
	}
	if err := json.Unmarshal(text, &history); err != nil {
		return time.Time{}, errUnclear
	}
	var latest time.Time
	for _, item := range history.Items {
		when, err := time.Parse(time.RFC3339, item.Date)
		if err == nil && item.Source == "package_source_apple" && when.After(latest) {
			latest = when
		}
	}
	if latest.IsZero() {
		return time.Time{}, errors.New("it names no update of Apple's")
	}
	return latest, nil
}

// updateDate is how softwareupdate writes a time in English. In other languages
// day and month may stand the other way round, so nothing else is read.
var updateDate = regexp.MustCompile(`\s(\d{2}/\d{2}/\d{4}, \d{2}:\d{2}:\d{2})\s*$`)

// parseUpdateHistory finds the last update that softwareupdate lists. Its times are local.
func (m machine) parseUpdateHistory(text []byte) (time.Time, error) {
	if !bytes.Contains(text, []byte("Display Name")) {
		return time.Time{}, errUnclear
	}
	var latest time.Time
	for line := range strings.Lines(string(text)) {
		match := updateDate.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if match == nil {
			continue
		}
		when, err := time.ParseInLocation("01/02/2006, 15:04:05", match[1], m.zone)
		if err == nil && when.After(latest) {
			latest = when
		}
	}
	if latest.IsZero() {
		return time.Time{}, errors.New("it lists no update")
	}
	return latest, nil
}

// parseFdesetup takes a disk that is still being encrypted for not encrypted.
func parseFdesetup(text []byte) (bool, error) {
	first, rest, _ := strings.Cut(string(text), "\n")
	on, err := oneOf([]byte(first), map[string]bool{"FileVault is On.": true, "FileVault is Off.": false})
	return on && !strings.Contains(rest, "in progress"), err
}

func parseSocketfilterfw(text []byte) (bool, error) {
	state := regexp.MustCompile(`^Firewall is [a-z -]+[.!] \(State = ([012])\)$`).FindSubmatch(bytes.TrimSpace(text))
	if state == nil {
		return false, errUnclear
	}
	return state[1][0] != '0', nil
}

// lockDelay is what sysadminctl says, behind the time and its own name.
var lockDelay = regexp.MustCompile(`(?:^|\s)screenLock (?:delay is (?:(immediate)|(-?\d+)(?:\.0+)? seconds?)|(is off))\s*$`)

// parseSysadminctl reads how long after the screen saver begins the screen locks.
func parseSysadminctl(text []byte) (ScreenLock, error) {
	match := lockDelay.FindSubmatch(bytes.TrimSpace(text))
	switch {
	case match == nil:
		return ScreenLock{}, errUnclear
	case len(match[1]) > 0:
		return ScreenLock{On: true, After: new(int)}, nil
	case len(match[3]) > 0 || match[2][0] == '-':
		return ScreenLock{}, nil
	}
	seconds, err := parseSeconds(string(match[2]))
	if err != nil {
		return ScreenLock{}, err
	}
	return ScreenLock{On: true, After: &seconds}, nil
}

// parseIdleTime reads after how many seconds the screen saver begins; 0 is never.
func parseIdleTime(text []byte) (int, error) {
	return parseSeconds(strings.TrimSpace(string(text)))
}

func parseCsrutil(text []byte) (bool, error) {
	first, _, _ := strings.Cut(string(text), "\n")
	return oneOf([]byte(first), map[string]bool{
		"System Integrity Protection status: enabled.":                        true,
		"System Integrity Protection status: disabled.":                       false,
		"System Integrity Protection status: unknown (Custom Configuration).": false,
	})
}

// parseBridge reads the start-up security of a Mac with Apple silicon or a T2 chip.
// The tool answers in the person's language; only English is read.
func parseBridge(text []byte) (bool, error) {
	var profile struct {
		Items []struct {
			SecureBoot string `json:"ibridge_secure_boot"`
		} `json:"SPiBridgeDataType"`
	}
	if err := json.Unmarshal(text, &profile); err != nil {
		return false, errUnclear
	}
	for _, item := range profile.Items {
		if item.SecureBoot != "" {
			return oneOf([]byte(item.SecureBoot), map[string]bool{
				"Full Security": true, "Medium Security": false, "Reduced Security": false, "Permissive Security": false, "No Security": false,
			})
		}
	}
	return false, errors.New("it shows no chip that checks what starts")
}
