//go:build e2e

package recorder_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	signer "stint/server/signer/wire"
)

// as puts a grant of its own under session rules, and has the client use it.
func (r *real) as(t *testing.T, request string, rules signer.SessionRules) {
	t.Helper()
	g := r.grant
	g.Request, g.Rules = request, rules
	r.Signer.Allow(g)
	r.writeConfig(t, r.Signer.IdentityFile(t, g))
}

func TestOpenSSHChannelRules(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, []byte("content"), 0o600))
	tries := map[string]func(way string) result{
		"shell": func(way string) result {
			return r.run(t, strings.NewReader("echo through\nexit\n"), "ssh", "-T", way)
		},
		"exec": func(way string) result { return r.run(t, nil, "ssh", way, "echo through") },
		"sftp": func(way string) result {
			return r.run(t, strings.NewReader("ls "+r.sshd.Home+"\n"), "sftp", "-b", "-", way)
		},
		"sftp (scp)": func(way string) result {
			return r.run(t, nil, "scp", "-q", file, way+":"+filepath.Join(r.sshd.Home, "copied"))
		},
	}
	for _, only := range []string{"shell", "exec", "sftp"} {
		r.as(t, "r-"+only, signer.SessionRules{Channels: []string{only}})
		for _, way := range ways {
			for name, try := range tries {
				word, _, _ := strings.Cut(name, " ")
				got := try(way)
				if word == only {
					if got.err != nil {
						t.Errorf("%s by %s, which the role gives: %+v", name, way, got)
					}
					continue
				}
				want := "stint: this role gives no " + word + " in a session; it gives " + only
				if got.err == nil || strings.Contains(got.stdout, "through") || !strings.Contains(got.stderr, want) {
					t.Errorf("%s by %s under %s: %+v", name, way, only, got)
				}
			}
		}
	}
	if _, err := os.Stat(filepath.Join(r.sshd.Home, "copied")); err != nil {
		t.Errorf("what the role gives was not done: %v", err)
	}
}

func TestOpenSSHNetworkRules(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	r.as(t, "r-away", signer.SessionRules{Networks: []string{"192.0.2.0/24"}})
	for _, way := range ways {
		got := r.run(t, nil, "ssh", way, "echo never")
		if got.stdout != "" || status(got.err) != 255 || !strings.Contains(got.stderr, "127.0.0.1 is in none of them. Connect from 192.0.2.0/24") {
			t.Errorf("%s: %+v", way, got)
		}
	}
	r.as(t, "r-here", signer.SessionRules{Networks: []string{"127.0.0.0/8"}})
	for _, way := range ways {
		if got := r.run(t, nil, "ssh", way, "echo in"); got.stdout != "in\n" || got.err != nil {
			t.Errorf("%s: %+v", way, got)
		}
	}
}

func TestOpenSSHIdle(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	for _, way := range ways {
		request := "r-idle-" + way
		r.as(t, request, signer.SessionRules{IdleSeconds: 4})
		// The client's keepalives are no work.
		term := r.terminal(t, way, "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=60")
		err := term.wait(t)
		if status(err) != 255 || !strings.Contains(term.all(), ": nothing was sent either way for 4s") {
			t.Errorf("%s: it ended with %v; the terminal shows %q", way, err, term.all())
		}
		session := r.Broker.AwaitDelivered(t, request)
		if session.End.Reason != "idle" || !read(t, session.Recording).holds("nothing was sent either way for 4s") {
			t.Errorf("%s: it ended %+v", way, session.End)
		}
		if got := quiet(t, session.Recording); got < 4*time.Second {
			t.Errorf("%s: it had been idle for %v", way, got)
		}
	}
}
