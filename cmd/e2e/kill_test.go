//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"stint/server/api"
)

// TestPathGoesOnAfterKills kills each process in the middle of each step of the
// path, as a crash would. What was acknowledged before stays, and the path goes
// on after the restart.
func TestPathGoesOnAfterKills(t *testing.T) {
	t.Parallel()
	s := beginStory(t)
	config := s.alice.useConfig()
	for _, name := range []string{"broker", "signer", "proxy-1"} {
		asked := s.asked("web-1", "30m")
		s.crash(name)
		if now := s.alice.request(asked.ID); now.Statement != asked.Statement || now.State != "pending" {
			t.Errorf("after the %s was killed, the request %s is %s:\n%s", name, asked.ID, now.State, now.Statement)
		}

		s.approve(asked.ID)
		s.crash(name)
		if now := s.alice.request(asked.ID); now.State != "approved" || len(now.Approvals) != 1 || len(now.Certificates) != 0 {
			t.Errorf("after the %s was killed, the approved request has %d approvals, %d certificates and is %s", name, len(now.Approvals), len(now.Certificates), now.State)
		}

		s.worksAgain()
		s.crashWhileAtWork(name, config)
		s.worksAgain()
		s.crashWhileCopying(name, config)

		s.alice.must("stint", "drop", asked.ID)
		if out := s.carol.must("stint", "audit", "verify"); !strings.Contains(out, "The audit log is whole") {
			t.Errorf("after the %s was killed, stint audit verify says:\n%s", name, out)
		}
		s.everyCertificateIsProven(asked.ID)
	}
}

// crash kills a process and waits until everything is as healthy as before.
func (s *story) crash(name string) {
	s.t.Helper()
	// An open page asks the broker again and again, and must not be blamed for
	// what it hears while the signer is away.
	for _, b := range []*tab{s.dana, s.bob} {
		b.open("about:blank")
	}
	s.kill(name)
	s.healthy()
}

// worksAgain waits until alice gets to web-1: a proxy finds its broker again in a moment.
func (s *story) worksAgain() {
	s.t.Helper()
	s.eventually("alice works again", func() error {
		out, complaints, err := s.alice.run("stint", "ssh", "web-1", "echo here")
		if err != nil || out != "here\n" {
			return fmt.Errorf("%w: %q %s", err, out, complaints)
		}
		return nil
	})
}

// healthy waits until the broker says that nothing is amiss.
func (w *world) healthy() {
	w.t.Helper()
	w.eventually("everything is healthy", func() error {
		client := http.Client{Timeout: 5 * time.Second}
		answer, err := client.Get(w.Portal + api.PathHealth)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			return err
		}
		var health api.Health
		if err := json.Unmarshal(text, &health); err != nil || health.Status != "ok" {
			return fmt.Errorf("the broker says %s (%v)", text, err)
		}
		return nil
	})
}

// crashWhileAtWork kills a process while alice works at a terminal. The work
// goes on unless it was the proxy; what was recorded can be read either way.
func (s *story) crashWhileAtWork(name, config string) {
	s.t.Helper()
	shell := s.alice.open("ssh", "-F", config, s.Login+"@web-1")
	shell.enter(`echo "before"-the-crash`)
	shell.sees("before-the-crash")
	live := s.alice.lastSession("web-1")
	if !live.Live {
		s.t.Fatalf("the session at work is not live: %+v", live)
	}
	if name == "proxy-1" {
		s.flushed(live.ID, "before-the-crash")
	}
	s.crash(name)
	if name == "proxy-1" {
		if code := shell.wait(); code != 255 {
			s.t.Errorf("after the proxy was killed, ssh ended with %d:\n%s", code, shell.screen)
		}
		s.endsAs(live.ID, "cut", "verified", "before-the-crash")
		return
	}
	shell.enter(`echo "after"-the-crash; exit 4`)
	shell.sees("after-the-crash")
	if code := shell.wait(); code != 4 {
		s.t.Errorf("after the %s was killed, the shell ended with %d", name, code)
	}
	s.endsAs(live.ID, "completed", "verified", "before-the-crash", "after-the-crash")
}

// flushed waits until a live recording holds a text.
func (s *story) flushed(session, text string) {
	s.t.Helper()
	s.eventually("the recording is flushed", func() error {
		out, complaints, _ := s.carol.run("stint", "export", session, "--format", "text")
		if !strings.Contains(out, text) {
			return fmt.Errorf("it holds\n%s%s", out, complaints)
		}
		return nil
	})
}

// endsAs waits until a session is ended with a reason and its recording is found
// to be in a state, and checks that it can be read.
func (s *story) endsAs(id, reason, chain string, texts ...string) {
	s.t.Helper()
	s.eventually("the session is ended", func() error {
		session := s.session(id)
		if session.Live || session.EndReason != reason || session.ChainVerified != chain {
			return fmt.Errorf("it is %+v", session)
		}
		return nil
	})
	out, complaints, _ := s.carol.run("stint", "export", id, "--format", "text")
	for _, text := range texts {
		if !strings.Contains(out, text) {
			s.t.Errorf("the recording that is %s does not hold %q:\n%s%s", chain, text, out, complaints)
		}
	}
}

func (s *story) session(id string) api.Session {
	s.t.Helper()
	var page api.Sessions
	s.carol.json(&page, "sessions", "--target", "web-1", "--limit", "200")
	at := slices.IndexFunc(page.Items, func(one api.Session) bool { return one.ID == id })
	if at < 0 {
		s.t.Fatalf("the session %s is gone", id)
	}
	return page.Items[at]
}

// someCopied matches the progress that scp shows after its first bytes.
var someCopied = regexp.MustCompile(`\b[1-9]\d?%`)

// crashWhileCopying kills a process in the middle of a copy.
func (s *story) crashWhileCopying(name, config string) {
	s.t.Helper()
	const kilobits = 16_000 // a second, so that it takes some four
	here, content := s.alice.randomFile("crash-"+name, 8<<20)
	there := s.Login + "@web-1:/tmp/stint-" + s.Instance + "-" + name
	var copying *shell
	s.eventually("a copy is under way", func() error { // one that was over at once ran on a machine that stood still
		copying = s.alice.open("scp", "-F", config, "-l", fmt.Sprint(kilobits), here, there)
		for ; !someCopied.MatchString(copying.screen.String()); time.Sleep(20 * time.Millisecond) {
			select {
			case <-copying.ended:
				return errors.New(copying.screen.String())
			default:
			}
		}
		select {
		case <-copying.ended:
			return errors.New(copying.screen.String())
		default:
			return nil
		}
	})
	s.kill(name) // the tabs are blank since the crash before
	s.healthy()
	code := copying.wait()
	s.worksAgain()
	if name == "proxy-1" {
		if code == 0 {
			s.t.Errorf("scp says that all is well although the proxy was killed:\n%s", copying.screen)
		}
		s.alice.must("scp", "-F", config, here, there)
	} else if code != 0 {
		s.t.Errorf("after the %s was killed, scp ended with %d:\n%s", name, code, copying.screen)
	}
	back := filepath.Join(s.alice.home, "back-"+name)
	s.alice.must("scp", "-F", config, there, back)
	s.alice.same(back, content)
	s.alice.must("ssh", "-F", config, s.Login+"@web-1", "rm", "/tmp/stint-"+s.Instance+"-"+name)
}

// everyCertificateIsProven checks the evidence of each certificate that the
// broker knows, and that the signer's ledger holds it.
func (s *story) everyCertificateIsProven(id string) {
	s.t.Helper()
	s.carol.must("stint", "trust", "export")
	s.verifyFile(s.carol, id)
	issued := s.certificatesOf(id)
	for _, certificate := range s.alice.request(id).Certificates {
		if !slices.Contains(issued, certificate.Serial) {
			s.t.Errorf("the signer's ledger holds %v for %s, not the certificate %s", issued, id, certificate.Serial)
		}
	}
}

// TestNothingAcknowledgedIsLost asks and activates all the while broker and
// signer are killed. Whatever the command line was told is done is done after
// the restarts, and whatever it was not told is either done or not, never half.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	s := beginStory(t)
	granted := s.grant("web-1", "1h")

	var mu sync.Mutex
	var acknowledged []api.Request
	worked := 0
	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	again := func(act func()) {
		working.Go(func() {
			for ctx.Err() == nil {
				act()
			}
		})
	}
	again(func() {
		out, complaints, err := s.alice.run("stint", "request", "customer-data", "--target", "customers-db", "--reason", "While it crashes", "-o", "json")
		var request api.Request
		if err != nil {
			s.sentence(complaints)
		} else if err := json.Unmarshal([]byte(out), &request); err != nil {
			t.Errorf("stint request: %v\n%s", err, out)
		} else {
			mu.Lock()
			acknowledged = append(acknowledged, request)
			mu.Unlock()
			s.alice.run("stint", "withdraw", request.ID)
		}
	})
	again(func() {
		out, complaints, err := s.alice.run("stint", "ssh", "web-1", "echo worked")
		if err == nil && out == "worked\n" {
			mu.Lock()
			worked++
			mu.Unlock()
		} else {
			s.sentence(complaints)
		}
	})
	progress := func() (requests, sessions int) {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged), worked
	}
	s.dana.open("about:blank")
	s.bob.open("about:blank")
	for _, name := range []string{"broker", "signer", "broker", "signer"} {
		requests, sessions := progress()
		s.eventually("there is work under way", func() error {
			if r, w := progress(); r < requests+2 || w < sessions+2 {
				return fmt.Errorf("%d requests and %d sessions were acknowledged", r, w)
			}
			return nil
		})
		s.kill(name)
	}
	stop()
	working.Wait()
	s.healthy()

	for _, request := range acknowledged {
		if now := s.alice.request(request.ID); now.Statement != request.Statement {
			t.Errorf("the request %s was acknowledged and says now:\n%s", request.ID, now.Statement)
		}
	}
	t.Logf("%d requests and %d sessions went through beside the kills", len(acknowledged), worked)
	s.everyCertificateIsProven(granted.ID)
	if now := s.alice.request(granted.ID); now.State != "active" || len(now.Certificates) < worked {
		t.Errorf("the grant is %s with %d certificates after %d sessions", now.State, len(now.Certificates), worked)
	}
	if out := s.carol.must("stint", "audit", "verify"); !strings.Contains(out, "The audit log is whole") {
		t.Errorf("stint audit verify says:\n%s", out)
	}
}

// sentence fails the test unless a command that failed says so in words.
func (s *story) sentence(complaints string) {
	if !strings.HasPrefix(complaints, "stint: ") && !strings.Contains(complaints, "\nstint: ") {
		s.t.Errorf("a command failed without a sentence:\n%s", complaints)
	}
}

// TestSilentProxyLosesItsSessions stops a proxy as a cut network would: the
// broker waits for its lease, no longer, and the proxy finds out by itself.
func TestSilentProxyLosesItsSessions(t *testing.T) {
	t.Parallel()
	s := beginStory(t)
	s.grant("web-1", "1h")
	shell := s.alice.open("stint", "ssh", "web-1")
	shell.enter(`echo "at"-work`)
	shell.sees("at-work")
	live := s.alice.lastSession("web-1")

	pid := s.pid("proxy-1")
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	resume := sync.OnceFunc(func() { syscall.Kill(pid, syscall.SIGCONT) })
	defer resume()
	s.eventually("the session of the silent proxy is ended", func() error {
		if session := s.session(live.ID); session.Live || session.EndReason != "lease-lost" {
			return fmt.Errorf("it is %+v", session)
		}
		return nil
	})
	resume()
	if code := shell.wait(); code == 0 || !strings.Contains(shell.screen.String(), "stint: ") {
		t.Errorf("ssh ended with %d:\n%s", code, shell.screen)
	}
	s.worksAgain()
}
