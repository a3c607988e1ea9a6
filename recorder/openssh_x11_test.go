//go:build e2e

package recorder_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	signer "stint/server/signer/wire"
)

// setup reads what an X client says first, and returns its cookie.
func setup(conn net.Conn) (cookie string, err error) {
	head := make([]byte, 12)
	if _, err := io.ReadFull(conn, head); err != nil {
		return "", err
	}
	name, data := int(head[6])<<8|int(head[7]), int(head[8])<<8|int(head[9])
	rest := make([]byte, (name+3)/4*4+(data+3)/4*4)
	if _, err := io.ReadFull(conn, rest); err != nil {
		return "", err
	}
	return hex.EncodeToString(rest[(name+3)/4*4:][:data]), nil
}

// A program at the target reaches the person's screen, with their cookie; what it
// says is recorded by the role's rule, and the cookie that it was lent never.
func TestOpenSSHScreen(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	const ours = "00112233445566778899aabbccddeeff"
	const answer = "\x00\x06\x00\x0b\x00\x00\x00\x02no, no"
	screen := serve(t, "tcp", "127.0.0.1:0", func(conn net.Conn) error {
		cookie, err := setup(conn)
		if err == nil && cookie != ours {
			err = fmt.Errorf("the cookie was %s", cookie)
		}
		if err == nil {
			_, err = io.WriteString(conn, answer)
		}
		return err
	})
	var port int
	_, err := fmt.Sscan(screen.port(), &port)
	must(t, err)
	display := fmt.Sprint("127.0.0.1:", port-6000)
	authority := filepath.Join(t.TempDir(), "authority")
	if output, err := exec.Command("xauth", "-f", authority, "add", display, "MIT-MAGIC-COOKIE-1", ours).CombinedOutput(); err != nil {
		t.Fatalf("xauth: %v: %s", err, output)
	}
	// A client of X: byte order, version 11.0, the cookie's name and the cookie.
	const client = `cookie=$(xauth list "$DISPLAY" | awk '{print $3; exit}')
number=${DISPLAY#*:}; number=${number%.*}
exec 3<>/dev/tcp/127.0.0.1/$((6000 + number))
printf 'B\0\0\13\0\0\0\22\0\20\0\0MIT-MAGIC-COOKIE-1\0\0' >&3
printf "$(echo "$cookie" | sed 's/../\\x&/g')" >&3
head -c 14 <&3 | tail -c 6
echo " $cookie"`
	for i, way := range ways {
		request := "r-x11-" + way
		r.as(t, request, signer.SessionRules{Channels: []string{"exec", "x11"}, Forwards: kept[i]})
		b := r.start(t, []string{"DISPLAY=" + display, "XAUTHORITY=" + authority}, "-Y", way, client)
		_ = b.input.Close()
		_ = b.command.Wait()
		// xauth may say besides that it makes a new file.
		lines := strings.Split(strings.TrimSpace(b.said()), "\n")
		said := strings.Fields(lines[len(lines)-1])
		if len(said) != 3 || said[0] != "no," || said[1] != "no" || said[2] == ours || len(said[2]) != 32 {
			t.Fatalf("%s: %q", way, b.said())
		}
		if err := <-screen.ended; err != nil {
			t.Errorf("%s: the screen: %v", way, err)
		}
		session := r.Broker.AwaitDelivered(t, request)
		all := connectionsOf(t, session.Recording)
		if len(all) != 1 || !read(t, session.Recording).holds("Listen {Type:x11 State:granted") {
			t.Fatalf("%s: the recording holds %q", way, read(t, session.Recording).events)
		}
		c := all[0]
		hello := "B\x00\x00\x0b\x00\x00\x00\x12\x00\x10\x00\x00MIT-MAGIC-COOKIE-1\x00\x00" + strings.Repeat("\x00", 16)
		if c.asked.Type != "x11" || !strings.HasPrefix(c.asked.From, "127.0.0.1:") {
			t.Errorf("%s: it is recorded as %+v", way, c.asked)
		}
		c.carriesExactly(t, answer, hello)
		if cookie, _ := hex.DecodeString(said[2]); strings.Contains(c.output, string(cookie)) {
			t.Errorf("%s: the cookie is in the recording", way)
		}
	}
}
