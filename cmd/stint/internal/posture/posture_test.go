package posture

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, 11, 23, 4, 0, 0, 500, time.UTC)

// laptop is a machine that answers from a table: commands by their line, files by
// their path. What is in neither is not there.
type laptop struct {
	system      string
	environment map[string]string
	says        map[string]string
	closed      string // a file that cannot be read
	mutex       sync.Mutex
	asked       map[string]int
}

func (l *laptop) machine() machine {
	l.asked = map[string]int{}
	answer := func(what string, absent error) ([]byte, error) {
		l.mutex.Lock()
		defer l.mutex.Unlock()
		l.asked[what]++
		if text, ok := l.says[what]; ok {
			return []byte(text), nil
		}
		return nil, absent
	}
	return machine{
		system: l.system, now: now, zone: berlin,
		environment: func(name string) string { return l.environment[name] },
		run: func(_ context.Context, program string, arguments ...string) ([]byte, error) {
			return answer(strings.Join(append([]string{program}, arguments...), " "), errAbsent)
		},
		read: func(path string) ([]byte, error) {
			if path == l.closed {
				return nil, os.ErrPermission
			}
			return answer(path, errNoFile)
		},
	}
}

func known[T any](value T, source string) Fact[T] { return Fact[T]{Value: &value, Source: source} }

const lsblk = "lsblk --json --output NAME,TYPE,FSTYPE,MOUNTPOINTS"

func TestDebianLaptop(t *testing.T) {
	t.Parallel()
	l := &laptop{system: "linux", environment: map[string]string{"XDG_CURRENT_DESKTOP": "GNOME", "HOME": "/home/alice"}, says: map[string]string{
		"/etc/os-release":   string(sample(t, "os-release-debian")),
		"/var/log/dpkg.log": string(sample(t, "dpkg.log")),
		lsblk:               string(sample(t, "lsblk-debian-luks.json")),
		"/etc/ufw/ufw.conf": "ENABLED=yes\n",
		"gsettings list-recursively org.gnome.desktop.screensaver": string(sample(t, "gsettings-screensaver")),
		"gsettings get org.gnome.desktop.session idle-delay":       "uint32 300\n",
		secureBootVariable: "\x06\x00\x00\x00\x01",
		"ps -A -o comm=":   string(sample(t, "ps-linux")),
	}}
	want := Report{
		Version: 1, Collected: now.Truncate(time.Second), Platform: "linux",
		System:         known(System{Name: "Debian GNU/Linux", Version: "12"}, "/etc/os-release"),
		UpdateAge:      known(20, "/var/log/dpkg.log"),
		DiskEncryption: known(true, "lsblk"),
		Firewall:       known(true, "firewalld, ufw, nftables"),
		ScreenLock:     known(lock(330), "GNOME"),
		SecureBoot:     known(true, "firmware"),
		Agents:         known([]string{"CrowdStrike Falcon"}, "ps"),
	}
	if difference := cmp.Diff(want, collect(t.Context(), l.machine())); difference != "" {
		t.Errorf("(-want +got):\n%s", difference)
	}
	for what := range l.asked {
		if strings.HasPrefix(what, "osqueryi") {
			t.Error("osquery was asked though all was known")
		}
	}
}

// What the system's own commands do not say, osquery may.
func TestFedoraWithOsquery(t *testing.T) {
	t.Parallel()
	l := &laptop{system: "linux", environment: map[string]string{"XDG_CURRENT_DESKTOP": "KDE", "HOME": "/home/alice"}, says: map[string]string{
		"/etc/os-release": string(sample(t, "os-release-fedora")),
		`rpm --query --all --queryformat %{INSTALLTIME}\n`: "1731000000\n1795000000\n",
		lsblk:                             "lsblk: unknown column: NAME,TYPE,FSTYPE,MOUNTPOINTS\n",
		"firewall-cmd --state":            "running\n",
		"osqueryi --json " + osqueryLinux: string(sample(t, "osquery-linux.json")),
		"ps -A -o comm=":                  "systemd\nps\n",
	}}
	report := collect(t.Context(), l.machine())
	want := Report{
		Version: 1, Collected: now.Truncate(time.Second), Platform: "linux",
		System:         known(System{Name: "Fedora Linux", Version: "41"}, "/etc/os-release"),
		UpdateAge:      known(4, "rpm"),
		DiskEncryption: known(true, "osqueryi"),
		Firewall:       known(true, "firewalld, ufw, nftables"),
		ScreenLock:     known(lock(300), "KDE"),
		SecureBoot:     known(true, "osqueryi"),
		Agents:         known([]string{}, "ps"),
	}
	if difference := cmp.Diff(want, report); difference != "" {
		t.Errorf("(-want +got):\n%s", difference)
	}
	if l.asked["osqueryi --json "+osqueryLinux] != 1 {
		t.Errorf("osquery was asked %d times", l.asked["osqueryi --json "+osqueryLinux])
	}
}

func TestMac(t *testing.T) {
	t.Parallel()
	l := &laptop{system: "darwin", says: map[string]string{
		"sw_vers": "ProductName:\t\tmacOS\nProductVersion:\t\t15.1\nBuildVersion:\t\t24B83\n",
		"system_profiler -json SPInstallHistoryDataType": string(sample(t, "install-history.json")),
		"fdesetup status":                                           "FileVault is On.\n",
		"socketfilterfw --getglobalstate":                           "Firewall is enabled. (State = 1)\n",
		"sysadminctl -screenLock status":                            "2026-11-20 10:11:12.345 sysadminctl[1:2] screenLock delay is 5 seconds\n",
		"defaults -currentHost read com.apple.screensaver idleTime": "600\n",
		"csrutil status":                                            "System Integrity Protection status: enabled.\n",
		"system_profiler -json SPiBridgeDataType":                   string(sample(t, "bridge-apple-silicon.json")),
		"ps -A -o comm=":                                            string(sample(t, "ps-darwin")),
	}}
	want := Report{
		Version: 1, Collected: now.Truncate(time.Second), Platform: "darwin",
		System:         known(System{Name: "macOS", Version: "15.1", Build: "24B83"}, "sw_vers"),
		UpdateAge:      known(4, "system_profiler"),
		DiskEncryption: known(true, "fdesetup"),
		Firewall:       known(true, "socketfilterfw"),
		ScreenLock:     known(lock(605), "sysadminctl"),
		SecureBoot:     known(true, "csrutil, system_profiler"),
		Agents:         known([]string{"CrowdStrike Falcon", "Microsoft Defender for Endpoint"}, "ps"),
	}
	if difference := cmp.Diff(want, collect(t.Context(), l.machine())); difference != "" {
		t.Errorf("(-want +got):\n%s", difference)
	}

	// A change of one answer changes one fact.
	for what, change := range map[string]struct{ command, says string }{
		"protection off":   {"csrutil status", "System Integrity Protection status: disabled.\n"},
		"reduced security": {"system_profiler -json SPiBridgeDataType", `{"SPiBridgeDataType": [{"ibridge_secure_boot": "Reduced Security"}]}`},
	} {
		was := l.says[change.command]
		l.says[change.command] = change.says
		if got := collect(t.Context(), l.machine()).SecureBoot; got.Value == nil || *got.Value {
			t.Errorf("%s: %+v", what, got)
		}
		l.says[change.command] = was
	}
	delete(l.says, "defaults -currentHost read com.apple.screensaver idleTime")
	if got := collect(t.Context(), l.machine()).ScreenLock; got.Value == nil || !got.Value.On || got.Value.After != nil {
		t.Errorf("a lock without a time of its own: %+v", got)
	}
}

// A machine that says nothing still has a report, which says why of each fact.
func TestSilentMachines(t *testing.T) {
	t.Parallel()
	for _, system := range []string{"linux", "darwin", "plan9"} {
		l := &laptop{system: system}
		report := collect(t.Context(), l.machine())
		data, err := json.Marshal(report)
		if err != nil {
			t.Fatal(err)
		}
		var facts map[string]any
		if err := json.Unmarshal(data, &facts); err != nil {
			t.Fatal(err)
		}
		for name, fact := range facts {
			fact, ok := fact.(map[string]any)
			if !ok {
				continue // version, time and platform
			}
			if why, _ := fact["unknown"].(string); why == "" || len(fact) != 1 {
				t.Errorf("%s: %s is %v", system, name, fact)
			}
		}
	}
}

func TestFirewallIsOffOnlyIfSomebodySaysSo(t *testing.T) {
	t.Parallel()
	off := &laptop{system: "linux", says: map[string]string{"systemctl is-active nftables.service": "inactive\n"}}
	if got := collect(t.Context(), off.machine()).Firewall; got.Value == nil || *got.Value {
		t.Errorf("off: %+v", got)
	}
	unclear := &laptop{system: "linux", says: map[string]string{"systemctl is-active nftables.service": "Failed to connect to bus: Host is down\n"}}
	got := collect(t.Context(), unclear.machine()).Firewall
	if got.Value != nil || !strings.Contains(got.Unknown, "Host is down") {
		t.Errorf("unclear: %+v", got)
	}
}

func TestLockThatNeverComesIsOff(t *testing.T) {
	t.Parallel()
	l := &laptop{system: "linux", environment: map[string]string{"XDG_CURRENT_DESKTOP": "ubuntu:GNOME"}, says: map[string]string{
		"gsettings list-recursively org.gnome.desktop.screensaver": string(sample(t, "gsettings-screensaver")),
		"gsettings get org.gnome.desktop.session idle-delay":       "uint32 0\n",
	}}
	if got := collect(t.Context(), l.machine()).ScreenLock; got.Value == nil || got.Value.On {
		t.Errorf("%+v", got)
	}
	// Settings of a desktop that does not run say nothing.
	l.environment["XDG_CURRENT_DESKTOP"] = "sway"
	if got := collect(t.Context(), l.machine()).ScreenLock; got.Value != nil {
		t.Errorf("another desktop: %+v", got)
	}
}

func TestUpdatesOfTheFutureAreUnknown(t *testing.T) {
	t.Parallel()
	for ahead, want := range map[time.Duration]*int{-48 * time.Hour: new(2), time.Hour: new(0), 25 * time.Hour: nil} {
		got := age(known(now.Add(ahead), "log"), now)
		if difference := cmp.Diff(want, got.Value); difference != "" {
			t.Errorf("%v (-want +got):\n%s", ahead, difference)
		}
	}
}

// This machine, whatever it is: each fact has a value or says why not, and the
// texts are fit to be shown.
func TestThisMachine(t *testing.T) {
	t.Parallel()
	report := Collect(t.Context(), now)
	check := func(name string, known bool, source, unknown string) {
		if known == (unknown != "") || known == (source == "") || len(unknown) > maxWhy+4 {
			t.Errorf("%s: known %v, source %q, unknown %q", name, known, source, unknown)
		}
	}
	check("system", report.System.Value != nil, report.System.Source, report.System.Unknown)
	check("update age", report.UpdateAge.Value != nil, report.UpdateAge.Source, report.UpdateAge.Unknown)
	check("disk encryption", report.DiskEncryption.Value != nil, report.DiskEncryption.Source, report.DiskEncryption.Unknown)
	check("firewall", report.Firewall.Value != nil, report.Firewall.Source, report.Firewall.Unknown)
	check("screen lock", report.ScreenLock.Value != nil, report.ScreenLock.Source, report.ScreenLock.Unknown)
	check("secure boot", report.SecureBoot.Value != nil, report.SecureBoot.Source, report.SecureBoot.Unknown)
	check("agents", report.Agents.Value != nil, report.Agents.Source, report.Agents.Unknown)
}

// A file that cannot be read says nothing: no value is taken for granted.
func TestPlasmaIsAsked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		home, closed string
		known        bool
	}{
		"nothing was changed": {home: "/home/alice", known: true},
		"it cannot be read":   {home: "/home/alice", closed: "/home/alice/.config/kscreenlockerrc"},
		"nobody is at home":   {},
	} {
		l := &laptop{system: "linux", environment: map[string]string{"XDG_CURRENT_DESKTOP": "KDE", "HOME": c.home}, closed: c.closed}
		if got := collect(t.Context(), l.machine()).ScreenLock; (got.Value != nil) != c.known {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// What was installed since dpkg's log was rotated updates nothing else.
func TestUpdatesOfDebian(t *testing.T) {
	t.Parallel()
	const installed, upgraded = "2026-11-20 09:41:07 install swtpm:amd64 <none> 0.7.1-1.3\n", "2026-10-24 06:00:00 upgrade a 1 2\n"
	for name, c := range map[string]struct {
		says map[string]string
		want Fact[int]
	}{
		"a fresh machine":       {map[string]string{dpkgLog: installed}, known(2, dpkgLog)},
		"upgraded before":       {map[string]string{dpkgLog: installed, dpkgRotated: upgraded}, known(29, dpkgRotated)},
		"nobody knows how long": {map[string]string{dpkgLog: installed, dpkgRotated: installed}, Fact[int]{}},
	} {
		l := &laptop{system: "linux", says: c.says}
		got := collect(t.Context(), l.machine()).UpdateAge
		got.Unknown = ""
		if difference := cmp.Diff(c.want, got); difference != "" {
			t.Errorf("%s (-want +got):\n%s", name, difference)
		}
	}
}

// script writes a program.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrograms(t *testing.T) {
	t.Setenv("STINT_SECRET", "token")
	t.Setenv("PATH", t.TempDir()+":"+os.Getenv("PATH"))
	t.Setenv("LC_ALL", "fr_FR.UTF-8")
	for name, test := range map[string]struct{ script, want string }{
		"output":               {"echo out; echo err >&2", "out\n"},
		"errors, if no output": {"echo err >&2; exit 3", "err\n"},
		"a clean environment":  {`echo "$STINT_SECRET $LC_ALL $PATH"`, " C /usr/bin:/bin:/usr/sbin:/sbin\n"},
		"no input":             {"cat; pwd", "/\n"},
	} {
		got, err := runPath(t.Context(), time.Minute, script(t, test.script))
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestProgramsAreBounded(t *testing.T) {
	t.Parallel()
	if _, err := run(t.Context(), "no-such-program"); !errors.Is(err, errAbsent) {
		t.Errorf("absent: %v", err)
	}
	if _, err := runPath(t.Context(), time.Minute, script(t, "while :; do echo and so on; done")); !errors.Is(err, errTooLong) {
		t.Errorf("one that talks without end: %v", err)
	}
	// The child holds the output open; it must end too.
	begin := time.Now()
	_, err := runPath(t.Context(), 200*time.Millisecond, script(t, "sleep 40 & sleep 40"))
	if err == nil || !strings.Contains(err.Error(), "did not answer") || time.Since(begin) > 30*time.Second {
		t.Errorf("one that hangs: %v after %v", err, time.Since(begin))
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := runPath(cancelled, time.Minute, "/bin/sh"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestFilesAreBounded(t *testing.T) {
	t.Parallel()
	long := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(long, append(make([]byte, maxAnswer), "the end"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := readFile(long); err != nil || len(text) != maxAnswer || !strings.HasSuffix(string(text), "the end") {
		t.Errorf("a long file: %d bytes, %v", len(text), err)
	}
	for _, path := range []string{"/dev/zero", t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		if _, err := readFile(path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
}

// A reason goes to screens and into signed text.
func TestReasonsArePlain(t *testing.T) {
	t.Parallel()
	l := &laptop{system: "linux", says: map[string]string{"systemctl is-active nftables.service": "\x1b]52;c;AAAA\a\u202e" + strings.Repeat("x", 5000) + "\n"}}
	got := collect(t.Context(), l.machine()).Firewall.Unknown
	if strings.ContainsAny(got, "\x1b\a\u202e") || len(got) > maxWhy+4 {
		t.Errorf("%q", got)
	}
}
