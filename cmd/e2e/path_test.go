//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"stint/recorder/cast"
	"stint/server/api"
)

// TestPath is the main job from end to end, once on each database.
func TestPath(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		walkPath(t, true, "--no-demo")
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		walkPath(t, false, "--no-demo", "--database", startPostgreSQL(t))
	})
}

func walkPath(t *testing.T, looking bool, flags ...string) {
	since := time.Now()
	step := func(what string) { t.Logf("%5.1f s: %s", time.Since(since).Seconds(), what) }
	s := &story{world: startWorld(t, flags...), looking: looking}
	step("dana and bob enrol")
	s.begin()

	step("alice asks in the portal, bob approves")
	portal := s.signIn("alice", "/", nil)
	first := s.askInPortal(portal, "web-1", "1 hour", "Orders fail since 09:40: restart worker 7 and look at its log")
	s.bob.open(s.Portal + "/approvals")
	s.bob.see(`role=button[name=/^Approve with passkey/]`)
	s.picture(s.bob, "portal")
	s.approve(first)
	portal.open(s.Portal + "/")
	portal.see("role=timer")
	s.accessible(portal)

	step("alice works")
	config := s.alice.useConfig()
	s.useCommands(config)
	step("alice copies files")
	s.copyFiles(config)
	step("alice works at a terminal")
	session, said := s.workInShell(config)

	began := s.recordingBegan(session)
	step("carol watches it")
	s.replay(session, began, said)
	step("carol plays and exports it")
	s.playAndExport(session, began, said)

	step("alice gives it back and asks once more, bob revokes it")
	s.alice.must("stint", "drop", first)
	s.alice.refused([]string{"you hold no grant for web-1"}, "stint", "ssh", "web-1", "true")
	var second string
	s.soonest("from the click that revokes to the end of the sessions", func() time.Duration {
		second = s.askAndWait()
		return s.revokeLive(second, config)
	})

	step("everybody checks")
	s.verifyEvidence(second)
	if out := s.carol.must("stint", "audit", "verify"); !strings.Contains(out, "The audit log is whole") {
		t.Errorf("stint audit verify says:\n%s", out)
	}
	step("the other pages")
	s.otherPages()
	step("the device flow")
	s.deviceFlow(portal)
	step("done")
	if files, _ := filepath.Glob(filepath.Join(s.data, "broker", "*.db")); (len(files) > 0) == slices.Contains(flags, "--database") {
		t.Errorf("with %v, the broker keeps %v", flags, files)
	}
}

// picture keeps what a tab shows for the README, if this run is to make pictures.
func (s *story) picture(b *tab, name string) {
	s.t.Helper()
	if os.Getenv("STINT_SCREENSHOTS") == "" || !s.looking {
		return
	}
	directory := filepath.Join(root, "docs", "images")
	if err := os.MkdirAll(directory, 0o755); err != nil {
		s.t.Fatal(err)
	}
	b.screenshot(filepath.Join(directory, name+".png"))
}

// useCommands runs commands by stint ssh and by plain ssh, in one hop and
// through the proxy as a jump host.
func (s *story) useCommands(config string) {
	s.t.Helper()
	const command = `printf 'out\000put'; printf complaint >&2; exit 7`
	here := s.Login + "\n"
	s.alice.exits(7, "out\x00put", "complaint", "stint", "ssh", "web-1", command)
	s.alice.exits(0, here, "", "stint", "ssh", s.Login+"@web-1", "id", "-un")
	s.alice.exits(7, "out\x00put", "complaint", "ssh", "-F", config, s.Login+"@web-1", command)
	s.alice.exits(0, here, "", "ssh", "-F", config, "-J", "stint", s.Login+"@web-1", "id", "-un")
}

// copyFiles takes a file there and back with each program that copies.
func (s *story) copyFiles(config string) {
	s.t.Helper()
	c, there := s.alice, s.Login+"@web-1:"
	directory := strings.TrimSpace(c.must("ssh", "-F", config, s.Login+"@web-1", "mktemp -d"))
	here, content := c.randomFile("content", 3<<20+17)

	c.must("scp", "-F", config, here, there+directory+"/scp")
	c.must("scp", "-F", config, there+directory+"/scp", c.home+"/by-scp")
	c.same(c.home+"/by-scp", content)
	c.must("scp", "-O", "-F", config, there+directory+"/scp", c.home+"/by-old-scp")
	c.same(c.home+"/by-old-scp", content)

	batch := filepath.Join(c.home, "batch")
	lines := fmt.Sprintf("put %s %s/sftp\nget %s/sftp %s/by-sftp\n", here, directory, directory, c.home)
	if err := os.WriteFile(batch, []byte(lines), 0o600); err != nil {
		s.t.Fatal(err)
	}
	c.must("sftp", "-F", config, "-b", batch, s.Login+"@web-1")
	c.same(c.home+"/by-sftp", content)

	c.must("rsync", "-a", "-e", "ssh -F "+config, here, there+directory+"/rsync")
	c.must("rsync", "-a", "-e", "ssh -F "+config, there+directory+"/rsync", c.home+"/by-rsync")
	c.same(c.home+"/by-rsync", content)

	c.must("ssh", "-F", config, s.Login+"@web-1", "git init --quiet --bare "+directory+"/repository && rm -rf "+directory+"/[rs]*sync "+directory+"/s*p")
	git := func(arguments ...string) {
		c.must("git", append([]string{"-c", "core.sshCommand=ssh -F " + config, "-c", "user.name=alice", "-c", "user.email=alice@example.com"}, arguments...)...)
	}
	repository := "ssh://" + there[:len(there)-1] + directory + "/repository"
	git("clone", "--quiet", repository, c.home+"/clone")
	c.must("cp", here, c.home+"/clone/content")
	git("-C", c.home+"/clone", "add", "content")
	git("-C", c.home+"/clone", "commit", "--quiet", "-m", "Content")
	git("-C", c.home+"/clone", "push", "--quiet", "origin", "HEAD")
	git("clone", "--quiet", repository, c.home+"/clone-of-it")
	c.same(c.home+"/clone-of-it/content", content)
	c.must("ssh", "-F", config, s.Login+"@web-1", "rm -rf "+directory)
}

// spoken is a text on a terminal, with when the person asked for it and saw it. It was
// recorded in between, for what passes is recorded before it is forwarded.
type spoken struct {
	text        string
	asked, seen time.Time
}

// workInShell works at a terminal on the target: two texts, two seconds
// apart. It returns the session, and what was on the screen when.
func (s *story) workInShell(config string) (api.Session, [2]spoken) {
	s.t.Helper()
	shell := s.alice.open("ssh", "-F", config, s.Login+"@web-1")
	shell.enter(`PS1='\[\e[32m\]web-1\[\e[0m\]:~$ '; clear; stty size`)
	shell.sees("30 100")
	shell.enter(`for i in $(seq 900); do echo "GET /orders $((i % 37 == 7 ? 503 : 200))"; done | cut -d' ' -f3 | sort | uniq -c`)
	shell.sees("25 503")
	var said [2]spoken
	for i, word := range []string{"stopping", "running"} {
		time.Sleep(2 * time.Second)
		said[i] = spoken{text: "worker 7: " + word, asked: time.Now()}
		shell.enter(`echo "worker 7: "` + word) // what is typed is not what is printed
		said[i].seen = shell.sees(said[i].text)
	}
	shell.enter("exit 3")
	if code := shell.wait(); code != 3 {
		s.t.Errorf("ssh ended with %d, the shell with 3:\n%s", code, shell.screen)
	}
	var session api.Session
	s.eventually("the session is over and its recording whole", func() error {
		if session = s.alice.lastSession("web-1"); session.Live || session.ChainVerified != "verified" {
			return fmt.Errorf("it is %+v", session)
		}
		return nil
	})
	if session.EndReason != "completed" {
		s.t.Errorf("the session ended because of %q", session.EndReason)
	}
	return session, said
}

// recordingBegan is when the recording of a session begins, by the proxy's clock, which is
// this machine's.
func (s *story) recordingBegan(session api.Session) time.Time {
	s.t.Helper()
	recording, err := cast.NewReader(strings.NewReader(s.carol.must("stint", "export", session.ID, "--format", "recording")), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return recording.Header().Started
}

// screenAt is the text of the player's screen, read out when it stands still.
const screenAt = `pre[aria-label^="Screen at"]`

// replay has carol find the session in the portal and seek to what alice saw.
func (s *story) replay(session api.Session, began time.Time, said [2]spoken) {
	s.t.Helper()
	carol := s.signIn("carol", "/sessions", nil)
	carol.see("role=table")
	s.accessible(carol)
	carol.click(fmt.Sprintf(`a[href="/sessions/%s"]`, session.ID))
	carol.see("text=Verified")
	carol.see(`role=slider[name="Moment"]`)
	s.accessible(carol)

	const margin = 500 * time.Millisecond // the slider has steps
	for i, words := range said {
		carol.seek(words.seen.Sub(began) + margin)
		carol.see(fmt.Sprintf(`%s:has-text("%s")`, screenAt, words.text))
		carol.seek(words.asked.Sub(began) - margin)
		carol.see(fmt.Sprintf(`%s:not(:has-text("%s"))`, screenAt, words.text))
		if i > 0 {
			carol.see(fmt.Sprintf(`%s:has-text("%s")`, screenAt, said[i-1].text))
		}
	}
	// And it plays to its end by itself.
	carol.seek(0)
	carol.click(`role=button[name="Play"]`)
	carol.see(`role=button[name="Play again"]`)
	carol.see(fmt.Sprintf(`%s:has-text("%s")`, screenAt, said[1].text))
	carol.seek(said[1].seen.Sub(began) + margin)
	carol.see(fmt.Sprintf(`%s:has-text("%s")`, screenAt, said[1].text))
	s.picture(carol, "replay")
}

// seek moves the player's slider.
func (b *tab) seek(to time.Duration) {
	b.t.Helper()
	slider := `role=slider[name="Moment"]`
	number := func(name string) int64 {
		n, err := strconv.ParseInt(get[string](b, "attribute", arguments{"selector": slider, "name": name}), 10, 64)
		if err != nil {
			b.t.Fatal(err)
		}
		return n
	}
	step := number("step")
	value := min(max(to.Milliseconds(), 0), number("max")) / step * step
	b.fill(slider, strconv.FormatInt(value, 10))
}

// playAndExport reads the same session at carol's command line.
func (s *story) playAndExport(session api.Session, began time.Time, said [2]spoken) {
	s.t.Helper()
	plays := s.carol.must("stint", "play", session.ID, "--speed", "100")
	text := s.carol.must("stint", "export", session.ID, "--format", "text")
	for _, words := range said {
		for what, shown := range map[string]string{"stint play": plays, "the text export": text} {
			if !strings.Contains(shown, words.text) {
				s.t.Errorf("%s does not show %q:\n%s", what, words.text, shown)
			}
		}
		s.inAsciicast(s.carol.must("stint", "export", session.ID, "--format", "asciicast-v2"), 2, words, began)
		s.inAsciicast(s.carol.must("stint", "export", session.ID, "--format", "asciicast-v3"), 3, words, began)
	}
	recording := filepath.Join(s.carol.home, "recording")
	if err := os.WriteFile(recording, []byte(s.carol.must("stint", "export", session.ID, "--format", "recording")), 0o600); err != nil {
		s.t.Fatal(err)
	}
	// Away from the broker it takes a key; what was typed takes one of each side besides.
	if _, complaint, err := s.carol.run("stint", "export", recording, "--format", "text"); err == nil || !strings.Contains(complaint, "--identity FILE") {
		s.t.Errorf("the recording opens without a key: %v, %s", err, complaint)
	}
	key := func(name string) []string { return []string{"--identity", filepath.Join(s.data, "keys", name)} }
	export := append([]string{"export", recording, "--format", "text"}, key("playback.txt")...)
	if again := s.carol.must("stint", export...); again != text {
		s.t.Error("the text of the exported recording is not that of the session")
	}
	export = append(export, "--input")
	if _, complaint, err := s.carol.run("stint", append(export, key("reviewer-first.txt")...)...); err == nil || !strings.Contains(complaint, "takes a first and a second reviewer") {
		s.t.Errorf("what was typed opens to one reviewer: %v, %s", err, complaint)
	}
	export = append(append(export, key("reviewer-first.txt")...), key("reviewer-second.txt")...)
	if typed := s.carol.must("stint", export...); !strings.Contains(typed, `echo "worker 7: "`) || len(typed) <= len(text) {
		s.t.Errorf("what was typed is not in the text:\n%s", typed)
	}
}

// inAsciicast finds a text in an export, at a moment between asking for it and seeing it.
func (s *story) inAsciicast(cast string, version int, words spoken, started time.Time) {
	s.t.Helper()
	lines := strings.Split(strings.TrimSpace(cast), "\n")
	var header struct{ Version int }
	if err := json.Unmarshal([]byte(lines[0]), &header); err != nil || header.Version != version {
		s.t.Fatalf("asciicast of version %d begins with %s (%v)", version, lines[0], err)
	}
	var at float64 // seconds; from the event before in version 3
	for _, line := range lines[1:] {
		var event []any
		if err := json.Unmarshal([]byte(line), &event); err != nil || len(event) < 3 {
			s.t.Fatalf("asciicast of version %d has the line %s (%v)", version, line, err)
		}
		if version == 3 {
			at += event[0].(float64)
		} else {
			at = event[0].(float64)
		}
		if event[1] == "o" && strings.Contains(event[2].(string), words.text) {
			const rounding = 20 * time.Millisecond
			recorded := started.Add(time.Duration(at * float64(time.Second)))
			if early, late := words.asked.Sub(recorded), recorded.Sub(words.seen); early > rounding || late > rounding {
				s.t.Errorf("asciicast of version %d has %q %s before it was asked for, or %s after it was seen", version, words.text, early, late)
			}
			return
		}
	}
	s.t.Errorf("asciicast of version %d does not hold %q:\n%s", version, words.text, cast)
}

// askAndWait has alice ask at the command line and wait for bob, and returns
// the id of the approved request.
func (s *story) askAndWait() string {
	s.t.Helper()
	waiting := s.alice.open("sh", "-c", `stint request production-shell --target web-1 --duration 30m --reason "Finish what I began" --wait -o json >answer`)
	id := waiting.seesMatch(0, `req-[0-9a-z]{10}`)
	s.approve(id)
	if code := waiting.wait(); code != 0 {
		s.t.Fatalf("stint request --wait ended with %d:\n%s", code, waiting.screen)
	}
	var answer api.Request
	text, err := os.ReadFile(filepath.Join(s.alice.home, "answer"))
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil || answer.ID != id || answer.State != "approved" {
		s.t.Fatalf("stint request --wait -o json printed (%v):\n%s", err, text)
	}
	return id
}

// revokeLive has bob revoke a grant in the portal while alice works with it, and tells how
// long after the click the last of her sessions ended.
func (s *story) revokeLive(id, config string) (slowest time.Duration) {
	s.t.Helper()
	shell := s.alice.open("stint", "ssh", "web-1")
	shell.enter(`echo "at"-work`)
	shell.sees("at-work")
	plain := s.alice.open("ssh", "-F", config, s.Login+"@web-1", "echo 'at'-work; cat")
	plain.sees("at-work")

	s.bob.open(s.Portal + "/requests/" + id)
	s.bob.see("text=2 sessions")
	s.accessible(s.bob)
	s.bob.click(`role=button[name=/^Revoke .* and close 2 sessions$/]`)
	s.bob.fill("role=alertdialog >> textarea", "The incident is over")
	s.accessible(s.bob)
	s.bob.do("evaluate", arguments{"expression": "addEventListener('click', () => { window.revokedAt = Date.now() }, true)"})
	s.bob.click(`role=alertdialog >> role=button[name=/^Revoke/]`)
	for _, each := range []shellOf{{"stint ssh", shell}, {"plain ssh", plain}} {
		each.wait()
		revoked := time.UnixMilli(get[int64](s.bob, "evaluate", arguments{"expression": "window.revokedAt"}))
		took := each.endedAt.Sub(revoked)
		if took < 0 {
			s.t.Errorf("%s ended %s before the click", each.name, -took)
		}
		slowest = max(slowest, took)
		if text := each.screen.String(); !strings.Contains(text, "stint: access revoked by ") {
			s.t.Errorf("%s does not say why it ended:\n%s", each.name, text)
		}
	}
	s.bob.see("text=Revoked")

	s.alice.refused([]string{"you hold no grant for web-1"}, "stint", "ssh", "web-1", "true")
	// The agent still holds the certificate, which has half an hour to go.
	s.alice.refused([]string{"you hold no grant for web-1", "stint: access revoked by bob at "}, "ssh", "-F", config, s.Login+"@web-1", "true")
	request := s.alice.request(id)
	if request.State != "ended" || request.EndReason != "revoked" {
		s.t.Errorf("the revoked request is %s, %s", request.State, request.EndReason)
	}
	return slowest
}

type shellOf struct {
	name string
	*shell
}

// verifyEvidence exports a request's evidence as a reviewer, and checks it where no
// network is: the file, the page, and both tampered with.
func (s *story) verifyEvidence(id string) {
	s.t.Helper()
	c := s.carol
	write := func(name, text string) string {
		path := filepath.Join(c.home, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			s.t.Fatal(err)
		}
		return path
	}
	trust := write("trust.json", c.must("stint", "trust", "export"))
	verify := func(file string) (string, string, error) {
		command := []string{"stint", "evidence", "verify", file, "--trust", trust}
		if runtime.GOOS == "linux" {
			command = append([]string{"unshare", "--map-root-user", "--net"}, command...)
		}
		return c.run(command[0], command[1:]...)
	}
	text, page := c.must("stint", "evidence", "export", id), filepath.Join(c.home, "evidence.html")
	c.must("stint", "evidence", "export", id, "--html", "-o", page)
	for _, file := range []string{write("evidence.json", text), page} {
		out, complaints, err := verify(file)
		for _, want := range []string{"Finish what I began", "agreed with a passkey", "Certificate ", "It ended on ", "dana (", "the ceremony at the signer itself"} {
			if err != nil || !strings.Contains(out, want) {
				s.t.Fatalf("stint evidence verify does not say %q: %v\n%s%s", want, err, out, complaints)
			}
		}
	}
	// Each altered in one byte: the reason, the approval's duration, a signature, the target, who let somebody in.
	for _, change := range [][2]string{
		{"Finish what", "Finish That"}, {"duration: 30m", "duration: 40m"}, {`\"signature\":\"M`, `\"signature\":\"N`}, {"web-1", "web-2"}, {`\"ceremony\":true`, `\"ceremony\":null`},
	} {
		altered := strings.Replace(text, change[0], change[1], 1)
		if altered == text {
			s.t.Errorf("the evidence holds no %q to alter:\n%s", change[0], text)
			continue
		}
		if out, complaints, err := verify(write("altered.json", altered)); err == nil || complaints == "" {
			s.t.Errorf("with %q altered to %q, stint evidence verify says: %v\n%s", change[0], change[1], err, out)
		}
	}
	// The page checks itself.
	b := openTab(s.t, "auditor", arguments{"authenticator": false})
	b.open("file://" + page)
	if verdict := b.see(".verdict.holds, .verdict.fails, .verdict.open"); !strings.HasPrefix(verdict, "Verified") {
		s.t.Errorf("the page says: %s\n%s", verdict, b.see(".checks"))
	}
	s.accessible(b)

	// The requester's own file is without the history, and says what that leaves open.
	own := write("own.json", s.alice.must("stint", "evidence", "export", id))
	if out, complaints, err := verify(own); err == nil || !strings.Contains(out, "The ledger holds a certificate ") || !strings.Contains(complaints, "ask a reviewer") {
		s.t.Errorf("of the requester's own file stint says: %v\n%s%s", err, out, complaints)
	}
}

// otherPages opens the pages that the path has not come by.
func (s *story) otherPages() {
	s.t.Helper()
	s.dana.open(s.Portal + "/audit")
	s.dana.see("text=revoked")
	s.accessible(s.dana)
	for _, page := range []string{"/requests?view=mine", "/sessions?live=true", "/approvals", "/ask", "/nowhere"} {
		s.bob.open(s.Portal + page)
		s.bob.see("role=heading[level=1]")
		s.accessible(s.bob)
	}
	// The same on a phone in the dark.
	s.bob.do("scheme", arguments{"scheme": "dark"})
	s.bob.do("resize", arguments{"width": 390, "height": 844})
	for _, page := range []string{"/", "/requests", "/approvals", "/passkeys"} {
		s.bob.open(s.Portal + page)
		s.bob.see("role=heading[level=1]")
		s.accessible(s.bob)
		if wide := get[int](s.bob, "evaluate", arguments{"expression": "document.documentElement.scrollWidth"}); wide > 390 {
			s.t.Errorf("%s is %d pixels wide on a phone of 390", page, wide)
		}
	}
	s.bob.do("resize", arguments{"width": 1280, "height": 800})
	s.bob.do("scheme", arguments{"scheme": "light"})
}

// deviceFlow has alice sign in on a machine without a browser, confirm it by
// her own passkey, and use a grant from there.
func (s *story) deviceFlow(portal *tab) {
	s.t.Helper()
	s.enrolPasskey(portal, "alice")
	away := s.openTerminal()
	signIn := away.open("stint", "login", "--no-browser")
	b := openTab(s.t, "alice-device", nil)
	signIn.sees("check that it shows the code")
	link := regexp.MustCompile(`http://\S+`)
	b.open(link.FindString(signIn.screen.String()))
	b.click("#submit-login")
	s.fillSignIn(b, "alice")
	b.see("text=Go back to the terminal")

	signIn.sees("It shows the key")
	links := link.FindAllString(signIn.screen.String(), -1)
	portal.open(links[len(links)-1])
	portal.see("text=Was it you")
	s.accessible(portal)
	portal.click(`role=button[name=/^It was me/]`)
	portal.see("text=Confirmed")
	s.accessible(portal)
	if code := signIn.wait(); code != 0 {
		s.t.Fatalf("stint login --no-browser ended with %d:\n%s", code, signIn.screen)
	}

	var request api.Request
	s.soonest("from stint drop to the end of the session", func() time.Duration {
		away.json(&request, "request", "production-shell", "--target", "web-1", "--duration", "15m", "--reason", "From elsewhere")
		s.approve(request.ID)
		away.exits(0, "here\n", "", "stint", "ssh", "web-1", "echo here")
		shell := away.open("stint", "ssh", "web-1")
		shell.enter(`echo "at"-work`)
		shell.sees("at-work")
		away.must("stint", "drop", request.ID)
		dropped := time.Now()
		shell.wait()
		if text := shell.screen.String(); !strings.Contains(text, "stint: access given back by alice") {
			s.t.Errorf("the terminal does not say why the session ended:\n%s", text)
		}
		return shell.endedAt.Sub(dropped)
	})
	s.carol.must("stint", "trust", "export")
	if out := s.verifyFile(s.carol, request.ID); !strings.Contains(out, "From elsewhere") {
		s.t.Errorf("stint evidence verify says:\n%s", out)
	}
}

// verifyFile has a reviewer export a request's evidence and verify the file, and
// returns what stint says about it.
func (s *story) verifyFile(c *terminal, id string) string {
	s.t.Helper()
	path := filepath.Join(c.home, "evidence.json")
	c.must("stint", "evidence", "export", id, "-o", path)
	return c.must("stint", "evidence", "verify", path)
}
