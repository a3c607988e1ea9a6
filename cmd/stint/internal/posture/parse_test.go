package posture

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sample reads real output, kept in testdata.
func sample(tb testing.TB, name string) []byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

var berlin = time.FixedZone("CET", 3600)

var testMachine = machine{zone: berlin}

// parsing is a table of what a parser makes of texts. Every text is a seed of the
// parser's fuzz target too.
type parsing[T any] struct {
	parse func([]byte) (T, error)
	good  map[string]T // by text
	bad   []string
}

func (p parsing[T]) test(t *testing.T) {
	t.Helper()
	t.Parallel()
	for text, want := range p.good {
		got, err := p.parse([]byte(text))
		if err != nil {
			t.Errorf("%.200q: %v", text, err)
		} else if difference := cmp.Diff(want, got); difference != "" {
			t.Errorf("%.200q (-want +got):\n%s", text, difference)
		}
	}
	for _, text := range append(p.bad, "", "\n", "command not found", "{}", "[]", "null", "\xff\x00") {
		if _, ok := p.good[text]; ok {
			continue
		}
		if got, err := p.parse([]byte(text)); err == nil {
			t.Errorf("%.200q is taken for %v", text, got)
		}
	}
}

// fuzz checks that a parser neither fails nor wavers, and what it says holds.
func (p parsing[T]) fuzz(f *testing.F, check func(T) bool) {
	for text := range p.good {
		f.Add([]byte(text))
	}
	for _, text := range p.bad {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := slices.Clone(text)
		value, err := p.parse(text)
		if !slices.Equal(before, text) {
			t.Error("the parser changes what it reads")
		}
		if err == nil && check != nil && !check(value) {
			t.Errorf("%v is no answer", value)
		}
		again, second := p.parse(text)
		if (err == nil) != (second == nil) || !cmp.Equal(value, again) {
			t.Errorf("%v, then %v", value, again)
		}
	})
}

func lock(after int) ScreenLock { return ScreenLock{On: true, After: &after} }

// sane holds for every lock: a time only where it locks, and not below nothing.
func sane(l ScreenLock) bool { return l.After == nil || l.On && *l.After >= 0 }

// recent holds for times that a person's machine can have.
func recent(t time.Time) bool { return t.Year() > 0 && t.Year() < 10000 }

func named(s System) bool { return s.Name != "" && plainWords(s.Name, s.Version, s.Build) }

func lsblks(tb testing.TB) parsing[bool] {
	return parsing[bool]{parseLsblk, map[string]bool{
		string(sample(tb, "lsblk-debian-luks.json")):  true,
		string(sample(tb, "lsblk-fedora-btrfs.json")): true,
		string(sample(tb, "lsblk-ubuntu-plain.json")): false,
		string(sample(tb, "lsblk-raid-half.json")):    false, // one leg in the clear
	}, []string{
		`{"blockdevices": []}`,
		`{"blockdevices": [{"name":"sda", "type":"crypt", "mountpoints":["/home"]}]}`, // a container: root is no disk
		"lsblk: unknown column: NAME,TYPE,FSTYPE,MOUNTPOINTS",
	}}
}
func TestLsblk(t *testing.T) { lsblks(t).test(t) }
func FuzzLsblk(f *testing.F) { lsblks(f).fuzz(f, nil) }

func osReleases(tb testing.TB) parsing[System] {
	return parsing[System]{parseOSRelease, map[string]System{
		string(sample(tb, "os-release-debian")):   {Name: "Debian GNU/Linux", Version: "12"},
		string(sample(tb, "os-release-ubuntu")):   {Name: "Ubuntu", Version: "24.04"},
		string(sample(tb, "os-release-fedora")):   {Name: "Fedora Linux", Version: "41"},
		"NAME=\"Arch Linux\"\nBUILD_ID=rolling\n": {Name: "Arch Linux", Build: "rolling"},
	}, []string{"NAME=\"\x1b[31mred\"\n", "VERSION_ID=12\n", "NAME=\n", "# NAME=x\n"}}
}
func TestOSRelease(t *testing.T) { osReleases(t).test(t) }
func FuzzOSRelease(f *testing.F) { osReleases(f).fuzz(f, named) }

func upgrades(tb testing.TB) parsing[time.Time] {
	return parsing[time.Time]{testMachine.parseUpgrades, map[string]time.Time{
		string(sample(tb, "dpkg.log")): time.Date(2026, 11, 2, 6, 12, 31, 0, berlin), // an installation is no update
	}, []string{
		"2026-11-20 09:41:07 install swtpm:amd64 <none> 0.7.1-1.3\n", "2026-11-20 09:41:07 remove swtpm:amd64 0.7.1-1.3 <none>\n",
		"2026-99-20 09:41:07 upgrade a b c\n", "upgrade upgrade upgrade\n",
	}}
}
func TestUpgrades(t *testing.T) { upgrades(t).test(t) }
func FuzzUpgrades(f *testing.F) { upgrades(f).fuzz(f, recent) }

func installations(tb testing.TB) parsing[time.Time] {
	return parsing[time.Time]{testMachine.parseInstallations, map[string]time.Time{
		"2026-11-20 09:41:07 install a <none> 1\n2026-11-21 09:41:07 install b <none> 1\n": time.Date(2026, 11, 20, 9, 41, 7, 0, berlin),
	}, []string{"2026-11-20 09:41:07 remove a 1 <none>\n", "2026-99-20 09:41:07 install a <none> 1\n", "install install install\n"}}
}
func TestInstallations(t *testing.T) { installations(t).test(t) }
func FuzzInstallations(f *testing.F) { installations(f).fuzz(f, recent) }

func installTimes(testing.TB) parsing[time.Time] {
	return parsing[time.Time]{parseInstallTimes, map[string]time.Time{
		"1731000000\n1763620000\n1763619999\n": time.Unix(1763620000, 0),
	}, []string{"yesterday\n", "-5\n", "99999999999999\n", "0\n", "error: cannot open Packages database in /var/lib/rpm\n"}}
}
func TestInstallTimes(t *testing.T) { installTimes(t).test(t) }
func FuzzInstallTimes(f *testing.F) { installTimes(f).fuzz(f, recent) }

func firewallds(testing.TB) parsing[bool] {
	return parsing[bool]{parseFirewalld, map[string]bool{"running\n": true, "not running\n": false},
		[]string{"failed\n", "running\nfailed\n", "Authorization failed.\n    Make sure polkit agent is running or run the application as superuser.\n"}}
}
func TestFirewalld(t *testing.T) { firewallds(t).test(t) }
func FuzzFirewalld(f *testing.F) { firewallds(f).fuzz(f, nil) }

func ufws(testing.TB) parsing[bool] {
	return parsing[bool]{parseUFW, map[string]bool{
		"# /etc/ufw/ufw.conf\n#\n\n# Set to yes to start on boot.\nENABLED=yes\n\nLOGLEVEL=low\n": true,
		"ENABLED=no\nLOGLEVEL=low\n":    false,
		"ENABLED=\"YES\"\nLOGLEVEL=low": true,
	}, []string{"# ENABLED=yes\n", "ENABLED=perhaps\n", "LOGLEVEL=low\n"}}
}
func TestUFW(t *testing.T) { ufws(t).test(t) }
func FuzzUFW(f *testing.F) { ufws(f).fuzz(f, nil) }

func units(testing.TB) parsing[bool] {
	return parsing[bool]{parseUnit, map[string]bool{"active\n": true, "inactive\n": false, "failed\n": false, "unknown\n": false},
		[]string{"System has not been booted with systemd as init system (PID 1). Can't operate.\n", "activating\n"}}
}
func TestUnit(t *testing.T) { units(t).test(t) }
func FuzzUnit(f *testing.F) { units(f).fuzz(f, nil) }

func mokutils(testing.TB) parsing[bool] {
	return parsing[bool]{parseMokutil, map[string]bool{
		"SecureBoot enabled\n":                                            true,
		"SecureBoot disabled\n":                                           false,
		"SecureBoot disabled\nPlatform is in Setup Mode\n":                false,
		"SecureBoot enabled\nSecureBoot validation is disabled in shim\n": false,
		"This system doesn't support Secure Boot\n":                       false,
		"EFI variables are not supported on this system\n":                false,
	}, []string{"Failed to read SecureBoot\n", "SecureBoot\n"}}
}
func TestMokutil(t *testing.T) { mokutils(t).test(t) }
func FuzzMokutil(f *testing.F) { mokutils(f).fuzz(f, nil) }

func bootVariables(testing.TB) parsing[bool] {
	return parsing[bool]{parseSecureBootVariable, map[string]bool{"\x06\x00\x00\x00\x01": true, "\x06\x00\x00\x00\x00": false},
		[]string{"\x06\x00\x00\x00", "\x06\x00\x00\x00\x02", "\x06\x00\x00\x00\x01\x00"}}
}
func TestSecureBootVariable(t *testing.T) { bootVariables(t).test(t) }
func FuzzSecureBootVariable(f *testing.F) { bootVariables(f).fuzz(f, nil) }

func screensavers(tb testing.TB) parsing[ScreenLock] {
	return parsing[ScreenLock]{parseGnomeScreensaver, map[string]ScreenLock{
		string(sample(tb, "gsettings-screensaver")):                                                             lock(30),
		"org.gnome.desktop.screensaver lock-delay uint32 0\norg.gnome.desktop.screensaver lock-enabled false\n": {},
	}, []string{
		"No such schema “org.gnome.desktop.screensaver”\n",
		"org.gnome.desktop.screensaver lock-enabled true\n",
		"org.gnome.desktop.screensaver lock-delay uint32 -1\norg.gnome.desktop.screensaver lock-enabled true\n",
		"org.gnome.desktop.screensaver lock-delay uint32 0\norg.gnome.desktop.screensaver lock-enabled maybe\n",
		"org.gnome.other lock-delay uint32 0\norg.gnome.other lock-enabled true\n",
	}}
}
func TestGnomeScreensaver(t *testing.T) { screensavers(t).test(t) }
func FuzzGnomeScreensaver(f *testing.F) { screensavers(f).fuzz(f, sane) }

func gnomeIdles(testing.TB) parsing[int] {
	return parsing[int]{parseGnomeIdle, map[string]int{"uint32 300\n": 300, "uint32 0\n": 0}, []string{"300\n", "uint32 -1\n", "uint32 4294967295\n"}}
}
func TestGnomeIdle(t *testing.T) { gnomeIdles(t).test(t) }
func FuzzGnomeIdle(f *testing.F) { gnomeIdles(f).fuzz(f, func(n int) bool { return n >= 0 }) }

func plasmaLocks(testing.TB) parsing[ScreenLock] {
	return parsing[ScreenLock]{parsePlasmaLock, map[string]ScreenLock{
		"": lock(300),
		"[$Version]\nupdate_info=x\n\n[Daemon]\nAutolock=false\nLockOnResume=false\n": {},
		"[Daemon]\nTimeout=10\n":      lock(600),
		"[Daemon]\nTimeout=0\n":       {},
		"[Daemon]\nTimeout[$i]=2\n":   lock(120),
		"[Greeter]\nAutolock=false\n": lock(300), // another group's
		"\n":                          lock(300), "command not found": lock(300), "{}": lock(300), "[]": lock(300), "null": lock(300), "\xff\x00": lock(300),
	}, []string{"[Daemon]\nAutolock=perhaps\n", "[Daemon]\nTimeout=-1\n", "[Daemon]\nTimeout=soon\n"}}
}
func TestPlasmaLock(t *testing.T) { plasmaLocks(t).test(t) }
func FuzzPlasmaLock(f *testing.F) { plasmaLocks(f).fuzz(f, sane) }

// Whoever writes a policy finds there how agents are called.
func TestAgentsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../../docs/devices.md")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(string(text)), " ")
	for _, product := range agents {
		if !strings.Contains(words, product) {
			t.Errorf("docs/devices.md does not name %s", product)
		}
	}
}

func processes(tb testing.TB) parsing[[]string] {
	return parsing[[]string]{parseProcesses, map[string][]string{
		string(sample(tb, "ps-linux")):  {"CrowdStrike Falcon"},
		string(sample(tb, "ps-darwin")): {"CrowdStrike Falcon", "Microsoft Defender for Endpoint"},
		"systemd\nfalcon\nps\n":         {},
		"systemd\nfalcon-sensor\n":      {"CrowdStrike Falcon"},
	}, []string{"ps\n"}}
}
func TestProcesses(t *testing.T) { processes(t).test(t) }
func FuzzProcesses(f *testing.F) {
	processes(f).fuzz(f, func(p []string) bool { return p != nil && slices.IsSorted(p) })
}

func swVers(testing.TB) parsing[System] {
	return parsing[System]{parseSwVers, map[string]System{
		"ProductName:\t\tmacOS\nProductVersion:\t\t15.1\nBuildVersion:\t\t24B83\n":   {Name: "macOS", Version: "15.1", Build: "24B83"},
		"ProductName:\tMac OS X\nProductVersion:\t10.15.7\nBuildVersion:\t19H2026\n": {Name: "Mac OS X", Version: "10.15.7", Build: "19H2026"},
	}, []string{"ProductName: macOS\n", "ProductName: \x1bm\nProductVersion: 1\n"}}
}
func TestSwVers(t *testing.T) { swVers(t).test(t) }
func FuzzSwVers(f *testing.F) { swVers(f).fuzz(f, named) }

func installHistories(tb testing.TB) parsing[time.Time] {
	return parsing[time.Time]{parseInstallHistory, map[string]time.Time{
		string(sample(tb, "install-history.json")): time.Date(2026, 11, 18, 5, 31, 9, 0, time.UTC),
	}, []string{
		`{"SPInstallHistoryDataType": []}`,
		`{"SPInstallHistoryDataType": [{"install_date": "2026-11-18T05:31:09Z", "package_source": "package_source_other"}]}`,
		`{"SPInstallHistoryDataType": [{"install_date": "18.11.2026", "package_source": "package_source_apple"}]}`,
	}}
}
func TestInstallHistory(t *testing.T) { installHistories(t).test(t) }
func FuzzInstallHistory(f *testing.F) { installHistories(f).fuzz(f, recent) }

func updateHistories(tb testing.TB) parsing[time.Time] {
	return parsing[time.Time]{testMachine.parseUpdateHistory, map[string]time.Time{
		string(sample(tb, "update-history")): time.Date(2026, 11, 3, 18, 20, 1, 0, berlin),
	}, []string{
		"Display Name   Version  Date\n------------   -------  ----\n",
		"Display Name   Version  Date\nmacOS  15.1  29.10.2026, 09:12:33\n", // another language
		"Display Name   Version  Date\nmacOS  15.1  29/10/2026, 09:12:33\n",
		"macOS  15.1  10/29/2026, 09:12:33\n",
	}}
}
func TestUpdateHistory(t *testing.T) { updateHistories(t).test(t) }
func FuzzUpdateHistory(f *testing.F) { updateHistories(f).fuzz(f, recent) }

func fdesetups(testing.TB) parsing[bool] {
	return parsing[bool]{parseFdesetup, map[string]bool{
		"FileVault is On.\n":  true,
		"FileVault is Off.\n": false,
		"FileVault is Off.\nDeferred enablement appears to be active for user 'alice'.\n": false,
		"FileVault is On.\nEncryption in progress: Percent completed = 34.52\n":           false,
		"FileVault is On.\nDecryption in progress: Percent completed = 3\n":               false,
	}, []string{"FileVault is perhaps On.\n", "Error: unable to determine\n"}}
}
func TestFdesetup(t *testing.T) { fdesetups(t).test(t) }
func FuzzFdesetup(f *testing.F) { fdesetups(f).fuzz(f, nil) }

func socketfilterfws(testing.TB) parsing[bool] {
	return parsing[bool]{parseSocketfilterfw, map[string]bool{
		"Firewall is enabled. (State = 1)\n":                                         true,
		"Firewall is disabled. (State = 0)\n":                                        false,
		"Firewall is blocking all non-essential incoming connections. (State = 2)\n": true,
	}, []string{"Firewall is enabled.\n", "Firewall is enabled. (State = 7)\n", "(State = 1)\n"}}
}
func TestSocketfilterfw(t *testing.T) { socketfilterfws(t).test(t) }
func FuzzSocketfilterfw(f *testing.F) { socketfilterfws(f).fuzz(f, nil) }

func sysadminctls(testing.TB) parsing[ScreenLock] {
	return parsing[ScreenLock]{parseSysadminctl, map[string]ScreenLock{
		"2026-11-20 10:11:12.345 sysadminctl[1234:5678] screenLock delay is immediate\n":       lock(0),
		"2026-11-20 10:11:12.345 sysadminctl[1234:5678] screenLock delay is 300 seconds\n":     lock(300),
		"2026-11-20 10:11:12.345 sysadminctl[1234:5678] screenLock delay is -1.000000 seconds": {},
		"2026-11-20 10:11:12.345 sysadminctl[1234:5678] screenLock is off\n":                   {},
	}, []string{"screenLock delay is soon\n", "screenLock delay is 99999999999999999999 seconds\n", "nothing screenLock is off today\n"}}
}
func TestSysadminctl(t *testing.T) { sysadminctls(t).test(t) }
func FuzzSysadminctl(f *testing.F) { sysadminctls(f).fuzz(f, sane) }

func idleTimes(testing.TB) parsing[int] {
	return parsing[int]{parseIdleTime, map[string]int{"600\n": 600, "0\n": 0}, []string{
		"2026-11-20 10:11:12.345 defaults[1234:5678] \nThe domain/default pair of (com.apple.screensaver, idleTime) does not exist\n", "-5\n",
	}}
}
func TestIdleTime(t *testing.T) { idleTimes(t).test(t) }
func FuzzIdleTime(f *testing.F) { idleTimes(f).fuzz(f, func(n int) bool { return n >= 0 }) }

func csrutils(testing.TB) parsing[bool] {
	return parsing[bool]{parseCsrutil, map[string]bool{
		"System Integrity Protection status: enabled.\n":                                                                      true,
		"System Integrity Protection status: disabled.\n":                                                                     false,
		"System Integrity Protection status: unknown (Custom Configuration).\n\nConfiguration:\n\tApple Internal: disabled\n": false,
	}, []string{"System Integrity Protection status:\n", "csrutil: failed\n"}}
}
func TestCsrutil(t *testing.T) { csrutils(t).test(t) }
func FuzzCsrutil(f *testing.F) { csrutils(f).fuzz(f, nil) }

func bridges(tb testing.TB) parsing[bool] {
	return parsing[bool]{parseBridge, map[string]bool{
		string(sample(tb, "bridge-apple-silicon.json")):                   true,
		`{"SPiBridgeDataType": [{"ibridge_secure_boot": "No Security"}]}`: false,
	}, []string{
		`{"SPiBridgeDataType": []}`,
		`{"SPiBridgeDataType": [{"ibridge_secure_boot": "Sécurité maximale"}]}`, // another language: unknown, not off
	}}
}
func TestBridge(t *testing.T) { bridges(t).test(t) }
func FuzzBridge(f *testing.F) { bridges(f).fuzz(f, nil) }

func osqueries(tb testing.TB) parsing[osqueryRow] {
	return parsing[osqueryRow]{parseOsquery, map[string]osqueryRow{
		string(sample(tb, "osquery-linux.json")):  {Name: "Ubuntu", Version: "24.04.1 LTS (Noble Numbat)", DiskEncryption: "1", SecureBoot: "1"},
		string(sample(tb, "osquery-darwin.json")): {Name: "macOS", Version: "15.1", Build: "24B83", DiskEncryption: "1", Firewall: "2", ScreenLock: "1"},
	}, []string{"[{},{}]", `Error: no such table: alf`, `[{"name": 1}]`}}
}
func TestOsquery(t *testing.T) { osqueries(t).test(t) }
func FuzzOsquery(f *testing.F) { osqueries(f).fuzz(f, nil) }
