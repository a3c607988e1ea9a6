package installation

import (
	"net"
	"strconv"
	"testing"
)

// FuzzParse: an installation that is read is of this version and names an instance.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		if i, err := parse(data); err == nil && (i.Version != version || i.Instance == "") {
			t.Errorf("%q is %+v", data, i)
		}
	})
}

// FuzzSplitListen: what --listen says is this machine, at a port that there is.
func FuzzSplitListen(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		host, port, err := splitListen(text)
		if err != nil {
			return
		}
		if again, number, err := splitListen(net.JoinHostPort(host, strconv.Itoa(port))); err != nil || host != "localhost" || again != host || number != port || port < 0 || port > 65535 {
			t.Errorf("%q is %q and %d, %v", text, host, port, err)
		}
	})
}
