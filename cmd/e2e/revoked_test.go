//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"stint/server/api"
)

// sessionsOfGrant is how many sessions the test opens under one grant; a grant has 128 at
// most.
const sessionsOfGrant = 125

// TestManySessionsAreRevokedAtOnce suspends somebody with a hundred live sessions, each with a
// program that runs (a thousand in make soak, where it is promised in time too), and sees
// every one of them closed and audited.
func TestManySessionsAreRevokedAtOnce(t *testing.T) {
	t.Parallel()
	count, soak := 100, os.Getenv("STINT_SOAK_SESSIONS")
	if soak != "" {
		var err error
		if count, err = strconv.Atoi(soak); err != nil {
			t.Fatal(err)
		}
	}
	// The built-in target: an sshd has two processes a session, which would take their time on
	// this machine to end.
	s := &story{world: &world{t: t, data: filepath.Join(t.TempDir(), "data"), flags: []string{"--no-demo"}, inside: withoutSSHD()}}
	s.startForTest()
	s.begin()
	var keys []ssh.Signer // one a grant
	var whom api.Person
	for range (count + sessionsOfGrant - 1) / sessionsOfGrant {
		granted := s.grant("web-1", "2h")
		whom = granted.Requester
		s.alice.must("stint", "activate", "web-1")
		keys = append(keys, s.alice.keyOf(granted.ID))
	}
	t.Cleanup(s.alice.stopAgent)

	sessions := make([]*echoing, count)
	next, failed := make(chan int), make(chan error, count)
	var opening sync.WaitGroup
	for range 8 {
		opening.Go(func() {
			for i := range next {
				var err error
				if sessions[i], err = openEchoing(s.Proxy, s.Login+"@web-1", keys[i/sessionsOfGrant]); err != nil {
					failed <- fmt.Errorf("session %d: %w", i, err)
				}
			}
		})
	}
	for i := range sessions {
		next <- i
	}
	close(next)
	opening.Wait()
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}

	identity, err := json.Marshal([]string{whom.Issuer, whom.Subject})
	if err != nil {
		t.Fatal(err)
	}
	click := get[struct{ At, Answered float64 }](s.dana, "evaluate", arguments{"expression": `(async ([issuer, subject]) => {
		const at = Date.now()
		const answer = await fetch('/api/people/suspend', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ issuer, subject, reason: 'The laptop was stolen' }) })
		if (!answer.ok) throw new Error(await answer.text())
		return { at, answered: Date.now() }
	})(` + string(identity) + `)`})
	clicked := time.UnixMilli(int64(click.At))
	var took []time.Duration
	for i, session := range sessions {
		select {
		case at := <-session.closed:
			took = append(took, at.Sub(clicked))
		case <-time.After(patience):
			t.Fatalf("session %d is still open", i)
		}
	}
	slices.Sort(took)
	p99 := took[(len(took)*99+99)/100-1]
	t.Logf("from the click on: of %d sessions under %d grants half were closed after %s, 99 of 100 after %s, the last after %s; the page was answered after %.0f ms",
		count, len(keys), took[len(took)/2], p99, took[len(took)-1], click.Answered-click.At)
	if soak != "" && p99 > 250*time.Millisecond {
		t.Errorf("99 of 100 sessions were closed after %s", p99)
	}

	s.eventually("the end of each session is in the audit log", func() error {
		ends := get[int](s.dana, "evaluate", arguments{"expression": `(async () => {
			const ended = new Set()
			for (let cursor = ''; ; ) {
				const page = await (await fetch('/api/audit?limit=200&cursor=' + encodeURIComponent(cursor))).json()
				for (const event of page.items) if (event.kind === 'session.ended' && event.data.reason === 'revoked') ended.add(event.session)
				if (!(cursor = page.cursor)) return ended.size
			}
		})()`})
		if ends != count {
			return fmt.Errorf("those of %d are", ends)
		}
		return nil
	})
}

// echoing is a session in which a program runs that says again what it is told.
type echoing struct{ closed chan time.Time }

func openEchoing(address, user string, key ssh.Signer) (*echoing, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return nil, err
	}
	c, channels, requests, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	client := ssh.NewClient(c, channels, requests)
	session, err := client.NewSession()
	if err != nil {
		return nil, err
	}
	stdin, err := session.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := session.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := session.Start("exec cat"); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(stdin, "here\n"); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(stdout)
	if line, err := lines.ReadString('\n'); err != nil || line != "here\n" {
		return nil, fmt.Errorf("cat says %q, %w", line, err)
	}
	e := &echoing{make(chan time.Time, 1)}
	go func() {
		_, _ = io.Copy(io.Discard, lines)
		e.closed <- time.Now()
		client.Close()
	}()
	return e, nil
}

// keyOf is the key that Stint's agent holds for a grant.
func (c *terminal) keyOf(grant string) ssh.Signer {
	c.w.t.Helper()
	connection, err := net.Dial("unix", filepath.Join(c.home, ".stint", "agent.sock"))
	if err != nil {
		c.w.t.Fatal(err)
	}
	c.w.t.Cleanup(func() { connection.Close() })
	signers, err := agent.NewClient(connection).Signers()
	if err != nil {
		c.w.t.Fatal(err)
	}
	for _, signer := range signers {
		key, err := ssh.ParsePublicKey(signer.PublicKey().Marshal())
		if certificate, ok := key.(*ssh.Certificate); err == nil && ok && certificate.KeyId == grant {
			return signer
		}
	}
	c.w.t.Fatalf("the agent holds no key for %s", grant)
	return nil
}
