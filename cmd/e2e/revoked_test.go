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

// TestManySessionsAreRevokedAtOnce suspends somebody with a hundred live sessions, in each of
// which a program runs (a thousand in make soak, where they are promised to be closed in time
// too, and a program runs in one of ten), and sees every one of them closed and audited.
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
		keys = append(keys, s.alice.newestKey())
	}

	sessions := make([]*echoing, count)
	next, failed := make(chan int), make(chan error, count)
	var opening sync.WaitGroup
	for range 8 {
		opening.Go(func() {
			for i := range next {
				var err error
				// A thousand programs would take this machine's time to end; as ssh -N, the others
				// run none.
				runs := soak == "" || i%10 == 0
				if sessions[i], err = openEchoing(s.Proxy, s.Login+"@web-1", keys[i/sessionsOfGrant], runs); err != nil {
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

// echoing is a session, in which a program may run that says again what it is told.
type echoing struct{ closed chan time.Time }

func openEchoing(address, user string, key ssh.Signer, runs bool) (*echoing, error) {
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
	e := &echoing{make(chan time.Time, 1)}
	if !runs {
		go func() {
			_ = client.Wait()
			e.closed <- time.Now()
		}()
		return e, nil
	}
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
	go func() {
		_, _ = io.Copy(io.Discard, lines)
		e.closed <- time.Now()
		client.Close()
	}()
	return e, nil
}

// newestKey is the key that stint puts into an agent of its own for the grant that ends
// last.
func (c *terminal) newestKey() ssh.Signer {
	t := c.w.t
	t.Helper()
	dir, err := os.MkdirTemp("", "stint-") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "agent")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	keys := agent.NewKeyring()
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				_ = agent.ServeAgent(keys, connection)
				connection.Close()
			})
		}
	})
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { listener.Close() })
	usual := c.env
	c.env = append(usual[:len(usual):len(usual)], "SSH_AUTH_SOCK="+path)
	c.must("stint", "ssh", "web-1", "true")
	c.env = usual
	signers, err := keys.Signers()
	for _, signer := range signers {
		if _, certified := signer.PublicKey().(*ssh.Certificate); certified {
			return signer
		}
	}
	t.Fatalf("among the %d keys of the agent none has a certificate, %v", len(signers), err)
	return nil
}
