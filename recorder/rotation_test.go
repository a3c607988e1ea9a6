package recorder_test

import (
	"bufio"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// echo is a session that answers each line with itself.
type echo struct {
	session *ssh.Session
	in      io.WriteCloser
	out     *bufio.Reader
}

func openEcho(client *ssh.Client) (*echo, error) {
	session, err := client.NewSession()
	if err != nil {
		return nil, err
	}
	in, err := session.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &echo{session, in, bufio.NewReader(out)}, session.Start("cat")
}

func (e *echo) says(text string) error {
	if _, err := io.WriteString(e.in, text+"\n"); err != nil {
		return err
	}
	if line, err := e.out.ReadString('\n'); err != nil || line != text+"\n" {
		return fmt.Errorf("%q came back, %w", line, err)
	}
	return nil
}

// TestRotationsLoseNoSession: keys change under a hundred live sessions, at the end
// of their life and at once; each goes on, and new ones begin.
func TestRotationsLoseNoSession(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	const sessions, workers = 100, 4
	old := r.Signer.Identity(t, hour(grant))
	open := make([]*echo, sessions)
	var work sync.WaitGroup
	for worker := range workers {
		work.Go(func() {
			for n := worker; n < sessions; n += workers {
				client, err := r.client(t, "web@db1", old)
				if err == nil {
					open[n], err = openEcho(client)
				}
				if err != nil {
					t.Errorf("session %d: %v", n, err)
					return
				}
			}
		})
	}
	work.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, withdrawn := range []bool{false, true} {
		r.Signer.Rotate(t, withdrawn)
		r.mustFollow(t)
		for n, e := range open {
			if err := e.says(fmt.Sprintf("session %d, withdrawn %v", n, withdrawn)); err != nil {
				t.Fatalf("session %d was lost (withdrawn: %v): %v", n, withdrawn, err)
			}
		}
		if _, err := r.client(t, "web@db1", old); (err != nil) != withdrawn {
			t.Errorf("withdrawn: %v; with a certificate of before: %v", withdrawn, err)
		}
	}
	for n, e := range open {
		e.in.Close()
		if err := e.session.Wait(); err != nil {
			t.Errorf("session %d ended with %v", n, err)
		}
	}
}

// mustFollow waits until a certificate under the new user CA is let in, by a proxy
// that shows one under the new host CA.
func (r *rig) mustFollow(t *testing.T) {
	t.Helper()
	identity := r.Signer.Identity(t, hour(grant))
	deadline := time.Now().Add(time.Minute)
	for {
		client, err := r.client(t, "web@db1", identity)
		if err == nil {
			client.Close()
			return
		}
		// Whoever shows an unknown authority makes the proxy ask the signer. (This one
		// does not mind which host certificate it is shown.)
		if nudge, err := ssh.Dial("tcp", r.address, &ssh.ClientConfig{
			User: "web@db1", Auth: []ssh.AuthMethod{ssh.PublicKeys(identity)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second,
		}); err == nil {
			nudge.Close()
		}
		if time.Now().After(deadline) {
			t.Fatalf("the proxy does not follow: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
