package recorder_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"stint/recorder/wire"
)

// partitionVariable says that this process has a network of its own.
const partitionVariable = "STINT_TEST_PARTITION"

// The networks of the test: one to the broker, which is cut, and one to everybody else. The
// first address is the test's, the second the proxy's.
const (
	brokerSide, brokerSideOfProxy = "10.97.1.1", "10.97.1.2"
	othersSide, othersSideOfProxy = "10.97.2.1", "10.97.2.2"
)

// TestPartitionedProxy cuts the network between a proxy and its broker: nothing arrives any
// more, and nobody is told so. Client, target and signer are still reached. No session starts
// from then on, and the one that lives ends with its lease.
func TestPartitionedProxy(t *testing.T) {
	if os.Getenv(partitionVariable) == "" {
		t.Parallel()
		program, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		command := exec.Command("unshare", "--map-root-user", "--net", program, "-test.run", "^TestPartitionedProxy$", "-test.v")
		command.Env = append(os.Environ(), partitionVariable+"=1")
		command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		said, err := command.CombinedOutput()
		t.Logf("in a network of its own:\n%s", said)
		if err != nil || !strings.Contains(string(said), "--- PASS: TestPartitionedProxy") {
			t.Error(err)
		}
		return
	}
	run(t, "ip", "link", "set", "lo", "up")
	for at, link := range map[string]string{brokerSide: "broker", othersSide: "others"} {
		run(t, "ip", "link", "add", link, "type", "veth", "peer", "name", link+"-p")
		run(t, "ip", "address", "add", at+"/24", "dev", link)
		run(t, "ip", "link", "set", link, "up")
	}
	r := newRig(t, nil)
	r.stop()
	r.Config.Listen = net.JoinHostPort(othersSideOfProxy, "0")
	r.Config.Broker.URL = "https://" + relay(t, brokerSide, r.Config.Broker.URL)
	r.Config.Signer.URL = "https://" + relay(t, othersSide, r.Config.Signer.URL)
	r.target.Address = relay(t, othersSide, "tcp://"+r.target.Address)
	r.Signer.AddTarget("db1", r.target)

	// The proxy waits in its own network until both links are there.
	pid := filepath.Join(t.TempDir(), "pid")
	linked := make(chan error, 1)
	go func() { linked <- giveLinks(pid) }()
	r.startProcess(t, `echo $$ > `+pid+`; exec unshare --net sh -c '
		until ip link show broker-p && ip link show others-p; do sleep 0.02; done >/dev/null 2>&1
		ip link set lo up &&
		ip address add `+brokerSideOfProxy+`/24 dev broker-p && ip link set broker-p up &&
		ip address add `+othersSideOfProxy+`/24 dev others-p && ip link set others-p up && exec "$0"' "$0"`)
	if err := <-linked; err != nil {
		t.Fatal(err)
	}

	number := 0
	next := func() string {
		number++
		return fmt.Sprint("r-", number+1)
	}
	soonest(t, "from the cut to the session's end", wire.Lease+2*time.Second, func() time.Duration {
		g := r.another(next())
		h := hold(t, r.connectBy(t, g))
		r.Broker.AwaitRenewal(t)
		run(t, "ip", "link", "set", "broker", "down")
		cut := time.Now()
		if client, err := r.client(t, "web@db1", r.Signer.Identity(t, r.another(next()))); err == nil {
			if late, err := tryHold(client); err == nil {
				t.Errorf("a session started though nobody could ask the broker: %s", late.output)
			}
			client.Close()
		}
		refused := time.Since(cut)
		took := h.mustEnd(t, "the broker can no longer be reached").Sub(cut)
		t.Logf("a new session was refused after %v", refused)
		run(t, "ip", "link", "set", "broker", "up")
		if session := r.Broker.AwaitDelivered(t, g.Request); session.End.Reason != wire.ReasonLeaseLost {
			t.Errorf("it ended %+v", session.End)
		}
		r.Broker.AwaitListener(t)
		return took
	})
	if got := execute(t, r.connectBy(t, r.another(next())), "echo goes on", ""); got.stdout != "goes on\n" {
		t.Errorf("when the network is whole again: %+v", got)
	}
}

// giveLinks moves one end of each link into the network of the process whose id stands in a
// file, once it has one.
func giveLinks(path string) error {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(path)
		pid := strings.TrimSpace(string(text))
		if err != nil || pid == "" {
			continue
		}
		network, err := os.Readlink(filepath.Join("/proc", pid, "ns/net"))
		if err != nil || network == own {
			continue
		}
		for _, link := range []string{"broker-p", "others-p"} {
			if said, err := exec.Command("ip", "link", "set", link, "netns", pid).CombinedOutput(); err != nil {
				return fmt.Errorf("giving %s away: %w %s", link, err, said)
			}
		}
		return nil
	}
	return errors.New("the proxy has no network of its own")
}

// relay carries connections to an address of this process's network on to where a URL says,
// which only this process reaches. It returns where it listens.
func relay(t *testing.T, host, to string) string {
	t.Helper()
	where, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			on, err := net.Dial("tcp", where.Host)
			if err != nil {
				from.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{from, on}, {on, from}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1])
					pair[0].Close()
					pair[1].Close()
				}()
			}
		}
	}()
	return listener.Addr().String()
}

func run(t *testing.T, name string, arguments ...string) {
	t.Helper()
	if said, err := exec.Command(name, arguments...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, said)
	}
}
