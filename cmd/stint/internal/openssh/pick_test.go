package openssh

import (
	"errors"
	"net"
	"strings"
	"testing"

	"stint/server/api"
)

func TestTheFirstProxyThatAnswersIsTaken(t *testing.T) {
	t.Parallel()
	listen := func() net.Listener {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		return listener
	}
	gone := listen()
	dead := api.Proxy{Name: "dead", Address: gone.Addr().String()}
	gone.Close()
	first, second := api.Proxy{Name: "first", Address: listen().Addr().String()}, api.Proxy{Name: "second", Address: listen().Addr().String()}
	for _, test := range []struct {
		name    string
		proxies []api.Proxy
		want    string
	}{
		{"the first", []api.Proxy{first, second}, "first"},
		{"the one behind a dead one", []api.Proxy{dead, second, first}, "second"},
		{"the only one, unasked", []api.Proxy{dead}, "dead"},
	} {
		if got, err := Pick(t.Context(), test.proxies); err != nil || got.Name != test.want {
			t.Errorf("%s: %v, %v", test.name, got, err)
		}
	}
	if _, err := Pick(t.Context(), []api.Proxy{dead, dead}); err == nil || !strings.Contains(err.Error(), "no proxy answers (dead: ") {
		t.Errorf("of two dead ones: %v", err)
	}
	if _, err := Pick(t.Context(), nil); !errors.Is(err, ErrNoProxy) {
		t.Errorf("of none: %v", err)
	}
	if _, err := Pick(t.Context(), []api.Proxy{{Address: "-oProxyCommand=x:22"}, first}); err == nil {
		t.Error("an address that is an option was dialled")
	}
}

func TestOnlyProxiesThatOpenTheTargetAreTried(t *testing.T) {
	t.Parallel()
	a, b := api.Proxy{Name: "a", Address: "a:1"}, api.Proxy{Name: "b", Address: "b:1"}
	trust := api.Trust{Proxies: []api.Proxy{a, b}, Targets: []api.Target{
		{Name: "near", Proxies: []string{"b", "a"}}, {Name: "far", Proxies: []string{"a"}}, {Name: "nowhere"}, {Name: "odd", Proxies: []string{"c", "b"}},
	}}
	for target, want := range map[string]string{"near": "ba", "far": "a", "nowhere": "", "odd": "b", "unknown": "ab"} {
		got := ""
		for _, proxy := range ProxiesOf(trust, target) {
			got += proxy.Name
		}
		if got != want {
			t.Errorf("for %s: %q, want %q", target, got, want)
		}
	}
	if got := TargetOf("web-1" + dialSuffix); got != "web-1" {
		t.Errorf("ssh asks for %q", got)
	}
}
