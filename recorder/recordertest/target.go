package recordertest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Serve handles one session channel of an in-process target.
type Serve func(channel ssh.Channel, requests <-chan *ssh.Request)

// NewTarget starts an SSH server in this process that admits certificates of the
// signer's target authority for login@name. serve handles its session channels;
// nil runs commands by /bin/sh, without terminals.
func NewTarget(t testing.TB, signer *Signer, login, name string, serve Serve) Target {
	t.Helper()
	if serve == nil {
		serve = runCommand
	}
	return NewConnTarget(t, signer, login, name, func(_ ssh.Conn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
		serveSessions(channels, requests, serve)
	})
}

// ServeConn handles one connection to an in-process target, whatever comes on it.
type ServeConn func(conn ssh.Conn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request)

// NewConnTarget is NewTarget, for a target that does as it likes.
func NewConnTarget(t testing.TB, signer *Signer, login, name string, serve ServeConn) Target {
	t.Helper()
	checker := &ssh.CertChecker{IsUserAuthority: func(key ssh.PublicKey) bool {
		return bytes.Equal(key.Marshal(), signer.TargetCA.PublicKey().Marshal())
	}}
	config := &ssh.ServerConfig{PublicKeyCallback: func(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		certificate, ok := key.(*ssh.Certificate)
		if !ok || conn.User() != login || !slices.Equal(certificate.ValidPrincipals, []string{login + "@" + name}) ||
			!checker.IsUserAuthority(certificate.SignatureKey) {
			return nil, errors.New("not let in")
		}
		return &ssh.Permissions{}, checker.CheckCert(login+"@"+name, certificate)
	}}
	host := NewKey(t)
	config.AddHostKey(host)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)

	var connections sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	go func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, raw)
			mu.Unlock()
			connections.Go(func() { serveTarget(raw, config, serve) })
		}
	}()
	hangUp := func() {
		mu.Lock()
		defer mu.Unlock()
		for _, raw := range open {
			raw.Close()
		}
	}
	t.Cleanup(func() {
		listener.Close()
		hangUp()
		connections.Wait()
	})
	target := Target{Address: listener.Addr().String(), HostKey: host.PublicKey(), HangUp: hangUp, Connections: func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(open)
	}}
	signer.AddTarget(name, target)
	return target
}

func serveTarget(raw net.Conn, config *ssh.ServerConfig, serve ServeConn) {
	conn, channels, requests, err := ssh.NewServerConn(raw, config)
	if err != nil {
		raw.Close()
		return
	}
	defer conn.Close()
	serve(conn, channels, requests)
}

func serveSessions(channels <-chan ssh.NewChannel, requests <-chan *ssh.Request, serve Serve) {
	go ssh.DiscardRequests(requests)
	var work sync.WaitGroup
	defer work.Wait()
	for opened := range channels {
		if opened.ChannelType() != "session" {
			_ = opened.Reject(ssh.Prohibited, "sessions only")
			continue
		}
		work.Go(func() {
			channel, requests, err := opened.Accept()
			if err != nil {
				return
			}
			serve(channel, requests)
			_ = channel.Close()
			for range requests {
			}
		})
	}
}

// runCommand runs the first command that is asked for.
func runCommand(channel ssh.Channel, requests <-chan *ssh.Request) {
	var environment []string
	for request := range requests {
		if request.Type == "env" {
			var variable struct{ Name, Value string }
			if ssh.Unmarshal(request.Payload, &variable) == nil {
				environment = append(environment, variable.Name+"="+variable.Value)
			}
		}
		if request.Type != "exec" {
			_ = request.Reply(request.Type == "env", nil)
			continue
		}
		var command struct{ Command string }
		if err := ssh.Unmarshal(request.Payload, &command); err != nil {
			_ = request.Reply(false, nil)
			return
		}
		_ = request.Reply(true, nil)
		run(channel, requests, command.Command, environment)
		return
	}
}

func run(channel ssh.Channel, requests <-chan *ssh.Request, text string, environment []string) {
	command := exec.Command("/bin/sh", "-c", text)
	command.Env = append(environment, "PATH=/usr/bin:/bin")
	command.Stdout, command.Stderr = channel, channel.Stderr()
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := command.StdinPipe()
	if err != nil || command.Start() != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(stdin, channel)
		_ = stdin.Close()
	}()
	go func() {
		for {
			select {
			case <-done:
				return
			case request, ok := <-requests:
				if !ok {
					_ = syscall.Kill(-command.Process.Pid, syscall.SIGHUP)
					return
				}
				if request.Type == "signal" {
					_ = syscall.Kill(-command.Process.Pid, syscall.SIGTERM)
				}
			}
		}
	}()
	err = command.Wait()
	close(done)
	exit := &exec.ExitError{}
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			_, _ = channel.SendRequest("exit-signal", false, ssh.Marshal(struct {
				Signal     string
				CoreDumped bool
				Message    string
				Language   string
			}{"TERM", false, "terminated", "en"}))
			return
		}
	}
	_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(command.ProcessState.ExitCode())}))
}
