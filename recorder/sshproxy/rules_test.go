package sshproxy

import (
	"net"
	"strings"
	"testing"
	"time"

	"stint/recorder/cast"
	signer "stint/server/signer/wire"
)

func TestNetworks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		networks string
		client   net.Addr
		in       bool
	}{
		{"10.0.0.0/8", &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 4}, true},
		{"10.0.0.0/8", &net.TCPAddr{IP: net.ParseIP("::ffff:10.1.2.3")}, true},
		{"10.0.0.0/8", &net.TCPAddr{IP: net.IPv4(11, 0, 0, 1)}, false},
		{"10.0.0.0/8 192.0.2.7/32", &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7)}, true},
		{"10.0.0.0/8 192.0.2.7/32", &net.TCPAddr{IP: net.IPv4(192, 0, 2, 8)}, false},
		{"2001:db8::/32", &net.TCPAddr{IP: net.ParseIP("2001:db8::1")}, true},
		{"2001:db8::/32", &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3)}, false},
		{"fe80::/10", &net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"}, true},
		{"0.0.0.0/0", &net.TCPAddr{IP: net.ParseIP("2001:db8::1")}, false},
		{"0.0.0.0/0", &net.TCPAddr{}, false},
		{"0.0.0.0/0 ::/0", &net.UnixAddr{Name: "/run/x"}, false},
		{"0.0.0.0/0 ::/0", nil, false},
		{"", &net.UnixAddr{Name: "/run/x"}, true},
	} {
		r, err := readRules(signer.SessionRules{Networks: strings.Fields(test.networks)})
		if err != nil {
			t.Fatal(err)
		}
		if why := refusesFrom(r.networks, test.client); (why == "") != test.in {
			t.Errorf("%v and the networks %q: %q", test.client, test.networks, why)
		}
	}
}

func TestRulesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for _, said := range []signer.SessionRules{
		{IdleSeconds: -1},
		{ReauthenticateSeconds: -1},
		{ReauthenticateSeconds: 1 << 62},
		{IdleSeconds: 1 << 62}, // as nanoseconds it is another number
		{Networks: []string{"10.0.0.0/8", "office"}},
		{Networks: []string{"10.0.0.1"}},
		{Networks: []string{""}},
	} {
		if r, err := readRules(said); err == nil {
			t.Errorf("%+v was read as %+v", said, r)
		}
	}
}

func TestChannelKinds(t *testing.T) {
	t.Parallel()
	kinds := map[string]cast.ChannelType{"shell": cast.Shell, "exec": cast.Exec, "sftp": cast.Subsystem}
	for channels, given := range map[string]string{
		"":               "shell exec sftp",
		"shell":          "shell",
		"exec sftp":      "exec sftp",
		"shell tomorrow": "shell", // a word that a later signer knows gives nothing here
		"tomorrow":       "",
	} {
		r, err := readRules(signer.SessionRules{Channels: strings.Fields(channels)})
		if err != nil {
			t.Fatal(err)
		}
		for word, kind := range kinds {
			if why := r.refuses(kind); (why == "") != strings.Contains(given, word) {
				t.Errorf("%s under %q: %q", word, channels, why)
			}
		}
	}
}

func TestIdleWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		10 * time.Minute: "10m", 90 * time.Minute: "1h30m", 2 * time.Hour: "2h", 90 * time.Second: "1m30s", 20 * time.Second: "20s",
	} {
		if got := idleWords(d); got != want {
			t.Errorf("%v is said as %q", d, got)
		}
	}
}
