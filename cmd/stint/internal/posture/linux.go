package posture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dpkg's log, and the one before it once that was rotated away.
const dpkgLog, dpkgRotated = "/var/log/dpkg.log", "/var/log/dpkg.log.1"

// secureBootVariable is where the kernel shows the firmware's variable.
const secureBootVariable = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

func (m machine) linux() sources {
	return sources{
		system: []source[System]{containing(m, parseOSRelease, "/etc/os-release"), containing(m, parseOSRelease, "/usr/lib/os-release")},
		updated: []source[time.Time]{
			containing(m, m.parseUpgrades, dpkgLog), containing(m, m.parseUpgrades, dpkgRotated), {dpkgLog, m.installed},
			saying(m, parseInstallTimes, "rpm", "--query", "--all", "--queryformat", `%{INSTALLTIME}\n`),
		},
		diskEncryption: []source[bool]{
			saying(m, parseLsblk, "lsblk", "--json", "--output", "NAME,TYPE,FSTYPE,MOUNTPOINTS"),
			saying(m, parseLsblk, "lsblk", "--json", "--output", "NAME,TYPE,FSTYPE,MOUNTPOINT"), // util-linux before 2.37
		},
		firewall:   []source[bool]{{"firewalld, ufw, nftables", m.linuxFirewall}},
		screenLock: []source[ScreenLock]{{"GNOME", m.gnomeLock}, {"KDE", m.plasmaLock}},
		secureBoot: []source[bool]{
			{"firmware", func(ctx context.Context) (bool, error) {
				return containing(m, parseSecureBootVariable, secureBootVariable).ask(ctx)
			}},
			saying(m, parseMokutil, "mokutil", "--sb-state"),
		},
		agents: []source[[]string]{saying(m, parseProcesses, "ps", "-A", "-o", "comm=")},
	}
}

// linuxFirewall is on if one of the ways to have one is, and off if all that
// answer are not. Rules that something else has loaded only root can see.
func (m machine) linuxFirewall(ctx context.Context) (bool, error) {
	answers := []source[bool]{
		saying(m, parseFirewalld, "firewall-cmd", "--state"),
		containing(m, parseUFW, "/etc/ufw/ufw.conf"),
		saying(m, parseUnit, "systemctl", "is-active", "nftables.service"),
	}
	known := false
	var why []string
	for _, answer := range answers {
		on, err := answer.ask(ctx)
		if on && err == nil {
			return true, nil
		}
		known = known || err == nil
		if err != nil {
			why = append(why, answer.name+": "+err.Error())
		}
	}
	if !known {
		return false, errors.New(strings.Join(why, "; "))
	}
	return false, nil
}

// desktop tells whether the person's desktop is of a kind.
func (m machine) desktop(kinds ...string) error {
	current := m.environment("XDG_CURRENT_DESKTOP")
	if current == "" {
		return errors.New("there is no desktop here")
	}
	for part := range strings.SplitSeq(current, ":") {
		if slices.Contains(kinds, part) {
			return nil
		}
	}
	return errors.New("the desktop is another")
}

func (m machine) gnomeLock(ctx context.Context) (ScreenLock, error) {
	if err := m.desktop("GNOME", "GNOME-Classic", "Unity", "ubuntu", "pop"); err != nil {
		return ScreenLock{}, err
	}
	lock, err := say(ctx, m, parseGnomeScreensaver, "gsettings", "list-recursively", "org.gnome.desktop.screensaver")
	if err != nil || !lock.On {
		return lock, err
	}
	idle, err := say(ctx, m, parseGnomeIdle, "gsettings", "get", "org.gnome.desktop.session", "idle-delay")
	if err != nil {
		return ScreenLock{}, err
	}
	if idle == 0 { // never idle, so never locked
		return ScreenLock{}, nil
	}
	after := idle + *lock.After
	return ScreenLock{On: true, After: &after}, nil
}

func (m machine) plasmaLock(context.Context) (ScreenLock, error) {
	if err := m.desktop("KDE"); err != nil {
		return ScreenLock{}, err
	}
	directory := m.environment("XDG_CONFIG_HOME")
	if directory == "" {
		directory = path.Join(m.environment("HOME"), ".config")
	}
	if !path.IsAbs(directory) {
		return ScreenLock{}, errors.New("there is no home here")
	}
	text, err := m.read(path.Join(directory, "kscreenlockerrc"))
	if errors.Is(err, errNoFile) {
		text, err = nil, nil // nothing was changed: the defaults hold
	}
	if err != nil {
		return ScreenLock{}, err
	}
	return parsePlasmaLock(text)
}

// parseOSRelease reads os-release(5).
func parseOSRelease(text []byte) (System, error) {
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		if len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		values[name] = value
	}
	system := System{Name: values["NAME"], Version: values["VERSION_ID"], Build: values["BUILD_ID"]}
	if system.Name == "" || !plainWords(system.Name, system.Version, system.Build) {
		return System{}, errUnclear
	}
	return system, nil
}

// plainWords tells whether texts are short and printable ASCII, as names and
// versions of systems are.
func plainWords(texts ...string) bool {
	return !slices.ContainsFunc(texts, func(text string) bool {
		return len(text) > 100 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
	})
}

// parseUpgrades finds the last upgrade in dpkg's log.
func (m machine) parseUpgrades(text []byte) (time.Time, error) {
	upgrades := m.dpkgTimes(text, "upgrade")
	if len(upgrades) == 0 {
		return time.Time{}, errors.New("it names no upgrade")
	}
	return slices.MaxFunc(upgrades, time.Time.Compare), nil
}

// installed is when a system that was never upgraded was installed: the first
// installation in dpkg's log. A log that was rotated reaches back to some later day,
// and an installation on that day updates nothing else.
func (m machine) installed(context.Context) (time.Time, error) {
	if _, err := m.read(dpkgRotated); !errors.Is(err, errNoFile) {
		return time.Time{}, errors.New("it does not reach back to the installation")
	}
	text, err := m.read(dpkgLog)
	if err != nil {
		return time.Time{}, err
	}
	return m.parseInstallations(text)
}

// parseInstallations finds the first installation in dpkg's log.
func (m machine) parseInstallations(text []byte) (time.Time, error) {
	installations := m.dpkgTimes(text, "install")
	if len(installations) == 0 {
		return time.Time{}, errors.New("it names no installation")
	}
	return slices.MinFunc(installations, time.Time.Compare), nil
}

// dpkgTimes are those of one act in dpkg's log, where they are local.
func (m machine) dpkgTimes(text []byte, act string) (times []time.Time) {
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 3 || words[2] != act {
			continue
		}
		if when, err := time.ParseInLocation(time.DateTime, words[0]+" "+words[1], m.zone); err == nil && when.Unix() > 0 {
			times = append(times, when)
		}
	}
	return times
}

// parseInstallTimes finds the latest of rpm's times of installation.
func parseInstallTimes(text []byte) (time.Time, error) {
	latest := int64(0)
	for line := range strings.Lines(string(text)) {
		seconds, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if err != nil || seconds < 0 || seconds > 1<<36 {
			return time.Time{}, errUnclear
		}
		latest = max(latest, seconds)
	}
	if latest == 0 {
		return time.Time{}, errors.New("it knows no packages")
	}
	return time.Unix(latest, 0), nil
}

// blockDevice is one of lsblk's.
type blockDevice struct {
	Name        string        `json:"name"`
	Type        string        `json:"type"`
	FSType      string        `json:"fstype"`
	MountPoint  string        `json:"mountpoint"`
	MountPoints []*string     `json:"mountpoints"`
	Children    []blockDevice `json:"children"`
}

func (d blockDevice) isRoot() bool {
	return d.MountPoint == "/" || slices.ContainsFunc(d.MountPoints, func(p *string) bool { return p != nil && *p == "/" })
}

// parseLsblk tells whether an encrypted layer is below the root file system, on
// every way down to a disk.
func parseLsblk(text []byte) (bool, error) {
	var answer struct {
		Devices []blockDevice `json:"blockdevices"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return false, errUnclear
	}
	ways, encrypted := 0, 0
	var walk func(devices []blockDevice, below bool)
	walk = func(devices []blockDevice, below bool) {
		for _, device := range devices {
			here := below || device.Type == "crypt"
			if device.isRoot() {
				ways++
				if here {
					encrypted++
				}
			}
			walk(device.Children, here)
		}
	}
	walk(answer.Devices, false)
	if ways == 0 {
		return false, errors.New("it shows no disk with the root file system")
	}
	return ways == encrypted, nil
}

func parseFirewalld(text []byte) (bool, error) {
	return oneOf(text, map[string]bool{"running": true, "not running": false})
}

func parseUnit(text []byte) (bool, error) {
	return oneOf(text, map[string]bool{"active": true, "inactive": false, "failed": false, "unknown": false})
}

func parseMokutil(text []byte) (bool, error) {
	// A second line may say that validation is off in shim, which is as good as off.
	if bytes.Contains(text, []byte("disabled")) {
		return false, nil
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	return oneOf(first, map[string]bool{
		"SecureBoot enabled":                             true,
		"This system doesn't support Secure Boot":        false,
		"EFI variables are not supported on this system": false,
	})
}

// oneOf maps the whole of an answer.
func oneOf(text []byte, known map[string]bool) (bool, error) {
	value, ok := known[strings.TrimSpace(string(text))]
	if !ok {
		return false, errUnclear
	}
	return value, nil
}

// parseUFW reads ufw.conf: ENABLED is yes or no.
func parseUFW(text []byte) (bool, error) {
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "ENABLED="); ok {
			return oneOf([]byte(strings.ToLower(strings.Trim(value, `"'`))), map[string]bool{"yes": true, "no": false})
		}
	}
	return false, errUnclear
}

// parseSecureBootVariable reads the EFI variable: four bytes of attributes, then
// 1 or 0 (UEFI 2.10, 3.3).
func parseSecureBootVariable(data []byte) (bool, error) {
	if len(data) != 5 || data[4] > 1 {
		return false, errUnclear
	}
	return data[4] == 1, nil
}

// parseGnomeScreensaver reads whether the screen locks, and how long after the
// screen has gone blank.
func parseGnomeScreensaver(text []byte) (ScreenLock, error) {
	var lock ScreenLock
	var enabled, delay bool
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "org.gnome.desktop.screensaver" {
			continue
		}
		switch words[1] {
		case "lock-enabled":
			if words[2] != "true" && words[2] != "false" {
				return ScreenLock{}, errUnclear
			}
			lock.On, enabled = words[2] == "true", true
		case "lock-delay":
			seconds, err := parseSeconds(words[len(words)-1])
			if err != nil {
				return ScreenLock{}, err
			}
			lock.After, delay = &seconds, true
		}
	}
	if !enabled || !delay {
		return ScreenLock{}, errUnclear
	}
	if !lock.On {
		lock.After = nil
	}
	return lock, nil
}

// parseGnomeIdle reads after how many seconds the screen goes blank; 0 is never.
func parseGnomeIdle(text []byte) (int, error) {
	value, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "uint32 ")
	if !ok {
		return 0, errUnclear
	}
	return parseSeconds(value)
}

// parseSeconds reads a number of seconds, up to a year.
func parseSeconds(text string) (int, error) {
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 0 || seconds > 366*24*60*60 {
		return 0, errUnclear
	}
	return seconds, nil
}

// parsePlasmaLock reads kscreenlockerrc. What it does not say is as Plasma has it:
// locking after five minutes.
func parsePlasmaLock(text []byte) (ScreenLock, error) {
	on, after, group := true, 5*60, ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			group = line
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		if group != "[Daemon]" {
			continue
		}
		// An administrator's mark that a value is fixed stands behind the name.
		switch strings.TrimSuffix(name, "[$i]") {
		case "Autolock":
			if value != "true" && value != "false" {
				return ScreenLock{}, errUnclear
			}
			on = value == "true"
		case "Timeout":
			minutes, err := parseSeconds(value)
			if err != nil {
				return ScreenLock{}, err
			}
			after = minutes * 60
		}
	}
	if !on || after == 0 {
		return ScreenLock{}, nil
	}
	return ScreenLock{On: true, After: &after}, nil
}
