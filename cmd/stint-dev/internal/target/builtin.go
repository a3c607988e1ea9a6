package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/crypto/ssh"
)

// builtin is the sshd for machines that have none: shell and exec, with or
// without a terminal. It has no sftp and forwards nothing.
type builtin struct {
	target  *Target
	config  *ssh.ServerConfig
	log     *slog.Logger
	running context.Context
	stop    context.CancelFunc
	serving sync.WaitGroup // the listener and every connection
}

// serve listens and returns; serving goes on until close. Whose certificates
// count is read from a file of CA keys, anew for each.
func (t *Target) serve(authorities string, log *slog.Logger) (*builtin, error) {
	checker := &ssh.CertChecker{IsUserAuthority: func(key ssh.PublicKey) bool {
		trusted, err := readAuthorities(authorities)
		if err != nil {
			log.Error("the target CA keys cannot be read, so nobody is let in", "target", t.Name, "error", err)
		}
		return slices.ContainsFunc(trusted, func(known []byte) bool { return bytes.Equal(known, key.Marshal()) })
	}}
	b := &builtin{target: t, log: log, config: &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-stint-dev",
		PublicKeyCallback: func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			certificate, ok := key.(*ssh.Certificate)
			switch {
			case !ok || certificate.CertType != ssh.UserCert || !checker.IsUserAuthority(certificate.SignatureKey):
				return nil, errors.New("only certificates of the target CA open this host")
			case meta.User() != t.Login.Name:
				return nil, fmt.Errorf("the only login here is %s", t.Login.Name)
			case !slices.Contains(certificate.ValidPrincipals, t.Principal()):
				// CheckCert takes an empty list for everybody's name.
				return nil, fmt.Errorf("the certificate does not name %s", t.Principal())
			}
			return nil, checker.CheckCert(t.Principal(), certificate)
		},
	}}
	b.config.AddHostKey(t.key)
	listener, err := net.Listen("tcp", t.Address)
	if err != nil {
		return nil, fmt.Errorf("target %s cannot listen on %s: %w", t.Name, t.Address, err)
	}
	b.running, b.stop = context.WithCancel(context.Background())
	context.AfterFunc(b.running, func() { listener.Close() })
	b.serving.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			b.serving.Go(func() { b.connection(connection) })
		}
	})
	return b, nil
}

// readAuthorities reads a file of keys in authorized_keys form.
func readAuthorities(path string) (keys [][]byte, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for len(bytes.TrimSpace(text)) > 0 {
		var key ssh.PublicKey
		if key, _, _, text, err = ssh.ParseAuthorizedKey(text); err != nil {
			return nil, err
		}
		keys = append(keys, key.Marshal())
	}
	return keys, nil
}

// close ends serving and what runs. A command that left its session behind and
// keeps its output open is not waited for longer than a moment.
func (b *builtin) close() {
	b.stop()
	done := make(chan struct{})
	go func() { b.serving.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		b.log.Warn("a command on the target outlives it", "target", b.target.Name)
	}
}

func (b *builtin) connection(raw net.Conn) {
	defer raw.Close()
	stop := context.AfterFunc(b.running, func() { raw.Close() })
	defer stop()
	raw.SetDeadline(time.Now().Add(30 * time.Second))
	connection, channels, requests, err := ssh.NewServerConn(raw, b.config)
	if err != nil {
		b.log.Info("a connection was refused", "target", b.target.Name, "error", err)
		return
	}
	raw.SetDeadline(time.Time{})
	go ssh.DiscardRequests(requests)
	var sessions sync.WaitGroup
	defer sessions.Wait()
	defer connection.Close()
	for offered := range channels {
		if offered.ChannelType() != "session" {
			offered.Reject(ssh.UnknownChannelType, "this small target knows sessions only")
			continue
		}
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		sessions.Go(func() { (&session{builtin: b, channel: channel}).run(requests) })
	}
}

// session is one shell or command.
type session struct {
	*builtin
	channel ssh.Channel
	env     []string
	term    string
	size    pty.Winsize
	wantPTY bool

	mu       sync.Mutex
	terminal *os.File
	process  *os.Process
	running  sync.WaitGroup
	begun    bool
}

func (s *session) run(requests <-chan *ssh.Request) {
	defer s.hangUp()
	for request := range requests {
		ok := s.handle(request)
		if request.WantReply {
			request.Reply(ok, nil)
		}
		if ok && request.Type == "subsystem" {
			fmt.Fprintln(s.channel.Stderr(), "This built-in target has no sftp: use scp -O, or install OpenSSH's server and start stint-dev again.")
			s.end(errNoSubsystem)
		}
	}
}

var errNoSubsystem = errors.New("there is no such subsystem")

// hangUpGrace is how long a command may take to heed the hanging up.
const hangUpGrace = time.Second

// hangUp ends what runs when its channel is gone, and waits for it. A process that
// the shell was just making can miss the first signal, so a second follows that
// none misses.
func (s *session) hangUp() {
	s.mu.Lock()
	process := s.process
	s.mu.Unlock()
	if process == nil {
		return
	}
	_ = syscall.Kill(-process.Pid, syscall.SIGHUP)
	kill := time.AfterFunc(hangUpGrace, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.process != nil {
			_ = syscall.Kill(-process.Pid, syscall.SIGKILL)
		}
	})
	defer kill.Stop()
	s.running.Wait()
}

func (s *session) handle(request *ssh.Request) bool {
	switch request.Type {
	case "env":
		var env struct{ Name, Value string }
		if ssh.Unmarshal(request.Payload, &env) != nil || (env.Name != "LANG" && !strings.HasPrefix(env.Name, "LC_")) {
			return false
		}
		s.env = append(s.env, env.Name+"="+env.Value)
		return true
	case "pty-req":
		var asked struct {
			Term                         string
			Columns, Rows, Width, Height uint32
			Modes                        string
		}
		if ssh.Unmarshal(request.Payload, &asked) != nil {
			return false
		}
		s.wantPTY, s.term = true, asked.Term
		s.size = pty.Winsize{Cols: uint16(asked.Columns), Rows: uint16(asked.Rows), X: uint16(asked.Width), Y: uint16(asked.Height)}
		return true
	case "window-change":
		var size struct{ Columns, Rows, Width, Height uint32 }
		if ssh.Unmarshal(request.Payload, &size) != nil {
			return false
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.terminal == nil {
			return false
		}
		return pty.Setsize(s.terminal, &pty.Winsize{Cols: uint16(size.Columns), Rows: uint16(size.Rows), X: uint16(size.Width), Y: uint16(size.Height)}) == nil
	case "signal":
		var signal struct{ Name string }
		if ssh.Unmarshal(request.Payload, &signal) != nil {
			return false
		}
		number, ok := signals[signal.Name]
		s.mu.Lock()
		defer s.mu.Unlock()
		return ok && s.process != nil && syscall.Kill(-s.process.Pid, number) == nil
	case "shell":
		return s.start(exec.Command(shell(), "-l"))
	case "exec":
		var command struct{ Line string }
		if ssh.Unmarshal(request.Payload, &command) != nil {
			return false
		}
		return s.start(exec.Command(shell(), "-c", command.Line))
	case "subsystem":
		// Told that it failed, a client would leave without a look at the reason. So
		// it is granted, and what was started is the reason and a status.
		granted := !s.begun
		s.begun = true
		return granted
	}
	return false
}

var signals = map[string]syscall.Signal{
	"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "QUIT": syscall.SIGQUIT,
	"TERM": syscall.SIGTERM, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
}

// start runs the command as the login, once a session.
func (s *session) start(command *exec.Cmd) bool {
	if s.begun {
		return false
	}
	s.begun = true
	login := s.target.Login
	command.Dir = login.Home
	command.Env = append([]string{
		"HOME=" + login.Home, "USER=" + login.Name, "LOGNAME=" + login.Name, "SHELL=" + shell(),
		"PATH=/usr/local/bin:/usr/bin:/bin",
	}, s.env...)
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: login.Credential}

	copied, err := s.connect(command)
	if err != nil {
		s.log.Warn("a command could not be run", "target", s.target.Name, "error", err)
		return false
	}
	s.mu.Lock()
	s.process = command.Process
	s.mu.Unlock()
	s.running.Go(func() {
		copied.Wait() // all output first, then how it ended
		s.end(command.Wait())
	})
	return true
}

// connect starts the command with the channel as its terminal or its pipes; the
// returned group is done when all output was sent.
func (s *session) connect(command *exec.Cmd) (*sync.WaitGroup, error) {
	copied := new(sync.WaitGroup)
	if s.wantPTY {
		command.Env = append(command.Env, "TERM="+s.term)
		command.SysProcAttr.Setctty = true
		terminal, err := pty.StartWithSize(command, &s.size)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		s.terminal = terminal
		s.mu.Unlock()
		go io.Copy(terminal, s.channel)
		copied.Go(func() { io.Copy(s.channel, terminal) })
		return copied, nil
	}
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := command.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	go func() {
		io.Copy(stdin, s.channel)
		stdin.Close()
	}()
	copied.Go(func() { io.Copy(s.channel, stdout) })
	copied.Go(func() { io.Copy(s.channel.Stderr(), stderr) })
	return copied, nil
}

// end reports the exit status and closes the channel.
func (s *session) end(err error) {
	s.mu.Lock()
	s.process = nil
	if s.terminal != nil {
		s.terminal.Close()
		s.terminal = nil
	}
	s.mu.Unlock()
	s.channel.CloseWrite()
	status := struct{ Status uint32 }{}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if wait, ok := exit.Sys().(syscall.WaitStatus); ok && wait.Signaled() {
			status.Status = uint32(128 + wait.Signal())
		} else {
			status.Status = uint32(exit.ExitCode())
		}
	} else if err != nil {
		status.Status = 255
	}
	s.channel.SendRequest("exit-status", false, ssh.Marshal(status))
	s.channel.Close()
}
