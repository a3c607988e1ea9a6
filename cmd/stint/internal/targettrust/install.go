package targettrust

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// sshdTimeout bounds a question to sshd.
const sshdTimeout = 30 * time.Second

// Installation is how a target's sshd is told to trust Stint.
type Installation struct {
	Target string   // its name in the policy
	CA     string   // file for TrustedUserCAKeys
	KRL    string   // file for RevokedKeys
	Sync   []string // the command line that keeps both files
	SSHD   string   // path of the server
	Config string   // its configuration; empty for the one it reads by default
	Logins []string // for which Match blocks are looked at
}

// option is one line of sshd_config, and what it is good for.
type option struct {
	name, value string
	why         string
	must        bool   // without it nobody gets in, or Stint does not hold; else only others get in too
	or          string // other values that are as good, each with a blank before it
	byDefault   bool   // sshd's own default; a line would be one that some versions complain of
}

// options are the lines, in their order.
func (i Installation) options() []option {
	return []option{
		{name: "PubkeyAuthentication", value: "yes", why: "certificates are a kind of public key", must: true},
		{name: "TrustedUserCAKeys", value: quote(i.CA), why: "whose certificates open this host", must: true},
		{name: "RevokedKeys", value: quote(i.KRL), why: "and whose no longer; sshd refuses everybody while the file is missing", must: true},
		{name: "AuthorizedPrincipalsCommand", value: "/bin/echo %u@" + i.Target, why: "a certificate opens this host only if it names it, as login@" + i.Target, must: true},
		{name: "AuthorizedPrincipalsCommandUser", value: "nobody", why: "who runs that", must: true},
		{name: "AuthorizedPrincipalsFile", value: "none", why: "a file would accept certificates by other names besides", must: true, byDefault: true},
		{name: "AuthorizedKeysFile", value: "none", why: "a key that somebody left here leads round the recorder"},
		{name: "AuthorizedKeysCommand", value: "none", why: "so does one that a command names", byDefault: true},
		{name: "PasswordAuthentication", value: "no", why: "and so does a password"},
		{name: "KbdInteractiveAuthentication", value: "no", why: "in either way of asking for it"},
		{name: "LogLevel", value: "INFO", or: " VERBOSE DEBUG DEBUG1 DEBUG2 DEBUG3", byDefault: true, must: true,
			why: "a quieter log does not name the certificates that sshd accepts, so nothing could be compared with the signer's ledger"},
		{name: "FingerprintHash", value: "SHA256", byDefault: true, why: "by an MD5 fingerprint nobody tells one CA from another that was made to look like it"},
	}
}

// quote protects spaces in a path of sshd_config, whose quoting knows no escapes.
func quote(path string) string {
	if strings.ContainsAny(path, " \t") {
		return `"` + path + `"`
	}
	return path
}

// Lines is the part of sshd_config.
func (i Installation) Lines() string {
	var text strings.Builder
	fmt.Fprintf(&text, "# Stint: certificates for %s, and no other way in. Keep a session open until you\n# have seen that you still get in. Before any Match block; the first value counts.\n", i.Target)
	for _, o := range i.options() {
		if !o.byDefault {
			fmt.Fprintf(&text, "%s %s\n", o.name, o.value)
		}
	}
	return text.String()
}

// Units are a systemd service and the timer that runs it.
func (i Installation) Units() (service, timer string) {
	var command []string
	for _, word := range i.Sync {
		command = append(command, unitWord(word))
	}
	service = `[Unit]
Description=Keep whom sshd trusts in step with Stint
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart=` + strings.Join(command, " ") + `
`
	timer = `[Unit]
Description=Keep whom sshd trusts in step with Stint

[Timer]
OnBootSec=10s
OnUnitActiveSec=1min
RandomizedDelaySec=10s

[Install]
WantedBy=timers.target
`
	return service, timer
}

// unitWord protects a word of ExecStart from systemd, which splits at blanks and
// expands % and $.
func unitWord(word string) string {
	word = strings.NewReplacer("%", "%%", "$", "$$").Replace(word)
	if strings.ContainsAny(word, " \t\"'\\;") {
		word = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
	}
	return word
}

// Finding is what one check of a target says.
type Finding struct {
	Good    bool
	Warning bool // not as it should be, and Stint works all the same
	Login   string
	Text    string // a sentence
}

// Check asks sshd what it would do, and compares that with the lines.
func (i Installation) Check(ctx context.Context) ([]Finding, error) {
	var findings []Finding
	for _, path := range []string{i.CA, i.KRL} {
		switch info, err := os.Stat(path); {
		case errors.Is(err, fs.ErrNotExist), err == nil && info.Size() == 0:
			findings = append(findings, Finding{Text: fmt.Sprintf("The file %s is not there yet, and sshd refuses everybody without it: run stint trust sync first.", path)})
		case err != nil:
			return nil, err
		}
	}
	if len(i.Logins) == 0 {
		if matches, err := i.matches(); err != nil {
			return nil, err
		} else if matches != "" {
			findings = append(findings, Finding{Warning: true, Text: fmt.Sprintf("%s has Match blocks, which may say something else for some logins: give each login that matters with --login.", matches)})
		}
	}
	for _, login := range append([]string{""}, i.Logins...) {
		effective, err := i.effective(ctx, login)
		if err != nil {
			return nil, err
		}
		file, ours := i.principals(effective, login)
		for _, o := range i.options() {
			if ours && strings.HasPrefix(o.name, "AuthorizedPrincipals") {
				continue
			}
			findings = append(findings, o.compare(effective, login))
		}
		if ours {
			findings = append(findings, Finding{Good: true, Login: login, Text: fmt.Sprintf("AuthorizedPrincipalsFile %s, and it names nothing but this host", file)})
		}
	}
	return findings, nil
}

// principals tells whether a file of principals does what the printed command
// does: it names login@target, and no command names more. A path that differs by
// login can be read for a login only.
func (i Installation) principals(effective map[string]string, login string) (file string, ours bool) {
	file = effective["authorizedprincipalsfile"]
	if command := effective["authorizedprincipalscommand"]; file == "" || file == "none" || command != "" && command != "none" {
		return "", false
	}
	if login != "" {
		file = strings.ReplaceAll(file, "%u", login)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return file, false
	}
	named := 0
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		of, host, _ := strings.Cut(line, "@")
		if host != i.Target || of == "" || login != "" && of != login {
			return file, false
		}
		named++
	}
	return file, named > 0
}

// compare says how far sshd follows a line.
func (o option) compare(effective map[string]string, login string) Finding {
	have, set := effective[strings.ToLower(o.name)]
	want := strings.Trim(o.value, `"`)
	f := Finding{Login: login, Good: have == want || !set && want == "none" || o.or != "" && strings.Contains(o.or+" ", " "+have+" ")}
	switch {
	case f.Good:
		f.Text = fmt.Sprintf("%s %s", o.name, cmp.Or(have, want))
	case have == "" || have == "none":
		f.Text = fmt.Sprintf("%s is missing and should be %s: %s.", o.name, want, o.why)
	default:
		f.Text = fmt.Sprintf("%s is %s and should be %s: %s. If the line is there, another one stands before it.", o.name, have, want, o.why)
	}
	f.Warning = !f.Good && !o.must
	return f
}

// effective is what sshd -T says, for a login where there is one.
func (i Installation) effective(ctx context.Context, login string) (map[string]string, error) {
	arguments := []string{"-T"}
	if i.Config != "" {
		arguments = append(arguments, "-f", i.Config)
	}
	if login != "" {
		arguments = append(arguments, "-C", "user="+login+",host=localhost,addr=127.0.0.1")
	}
	output, err := i.ask(ctx, arguments...)
	if err != nil {
		return nil, err
	}
	effective := map[string]string{}
	for text := range strings.Lines(output) {
		name, value, _ := strings.Cut(strings.TrimSpace(text), " ")
		if _, known := effective[name]; !known {
			effective[name] = value
		}
	}
	if len(effective) < 10 {
		return nil, fmt.Errorf("%s -T said next to nothing; is it OpenSSH's server?", i.SSHD)
	}
	return effective, nil
}

// ask runs sshd, and returns what it says.
func (i Installation) ask(ctx context.Context, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, sshdTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, i.SSHD, arguments...)
	command.WaitDelay = time.Second
	var output, complaint bytes.Buffer
	command.Stdout, command.Stderr = &output, &complaint
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %.1000s", i.SSHD, strings.Join(arguments, " "), err, strings.TrimSpace(complaint.String()))
	}
	return output.String(), nil
}

var (
	matchLine   = regexp.MustCompile(`(?im)^\s*Match\s+(.*)$`)
	includeLine = regexp.MustCompile(`(?im)^\s*Include\s+(.*)$`)
)

// matches names a configuration file with a Match block that is not for all.
func (i Installation) matches() (string, error) {
	files := []string{i.config()}
	for n := 0; n < len(files) && n < 256; n++ {
		text, err := os.ReadFile(files[n])
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		for _, found := range matchLine.FindAllSubmatch(text, -1) {
			if !strings.EqualFold(strings.TrimSpace(string(found[1])), "all") {
				return files[n], nil
			}
		}
		for _, found := range includeLine.FindAllSubmatch(text, -1) {
			for _, pattern := range strings.Fields(string(found[1])) {
				if !filepath.IsAbs(pattern) {
					pattern = filepath.Join("/etc/ssh", pattern)
				}
				more, err := filepath.Glob(pattern)
				if err != nil {
					return "", err
				}
				files = append(files, more...)
			}
		}
	}
	return "", nil
}

func (i Installation) config() string {
	if i.Config != "" {
		return i.Config
	}
	return "/etc/ssh/sshd_config"
}

// Write puts the lines into a file that sshd's configuration includes, and takes
// them out again if sshd does not accept them. It does not make sshd read them:
// that is for whoever has a second session open. It refuses while the files are
// missing that the lines speak of, since then nobody could sign in any more.
func (i Installation) Write(ctx context.Context, path string) error {
	for _, file := range []string{i.CA, i.KRL} {
		if info, err := os.Stat(file); err != nil || info.Size() == 0 {
			return fmt.Errorf("nothing was written: %s is not there yet, and sshd would refuse everybody; run stint trust sync first", file)
		}
	}
	before, readErr := os.ReadFile(path)
	if readErr != nil && !errors.Is(readErr, fs.ErrNotExist) {
		return readErr
	}
	if err := replace(path, []byte(i.Lines())); err != nil {
		return err
	}
	arguments := []string{"-t"}
	if i.Config != "" {
		arguments = append(arguments, "-f", i.Config)
	}
	_, err := i.ask(ctx, arguments...)
	if err == nil {
		return nil
	}
	undo := os.Remove
	if readErr == nil {
		undo = func(path string) error { return replace(path, before) }
	}
	return errors.Join(fmt.Errorf("sshd does not accept the lines, so they were taken out again: %w", err), undo(path))
}
