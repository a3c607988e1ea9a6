//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stint/server/api"
)

// TestAnotherProxyIsFound: two proxies of an installation are dead and one lives. Both
// ways of ssh find it, and once the signer lets only the dead ones open the target, neither does:
// nor does it help to go to the live one by hand.
func TestAnotherProxyIsFound(t *testing.T) {
	t.Parallel()
	s := beginStory(t, "--no-demo")
	s.grant("web-1", "30m")
	one := filepath.Join(s.alice.home, "config-of-one")
	if err := os.Rename(s.alice.useConfig(), one); err != nil {
		t.Fatal(err)
	}
	there := s.Login + "@web-1"
	s.alice.exits(0, "here\n", "", "ssh", "-F", one, there, "echo here")

	signer, broker := filepath.Join(s.data, "config", "signer.json"), filepath.Join(s.data, "config", "broker.json")
	for i, name := range []string{"proxy-a", "proxy-z"} {
		key := strings.Repeat(fmt.Sprint(i+1), 64)
		s.replaceIn(signer, `"proxies": [`, `"proxies": [{"name": "`+name+`", "key": "`+key+`", "names": [], "labels": {"zone": "`+name+`"}},`)
		s.replaceIn(broker, `"proxies": [`, `"proxies": [{"name": "`+name+`", "key": "`+key+`", "address": "`+freeAddress(t)+`"},`)
	}
	s.kill("signer")
	s.kill("broker")
	var proxies []api.ProxyState
	s.eventually("the broker has heard of all three", func() error {
		if out, _, err := s.alice.run("stint", "proxies", "-o", "json"); err != nil || strings.Count(out, `"web-1"`) != 3 {
			return fmt.Errorf("it lists %v\n%s", err, out)
		}
		if s.alice.json(&proxies, "proxies"); proxies[2].State != "serving" {
			return fmt.Errorf("it lists %+v", proxies)
		}
		return nil
	})
	if a := proxies[1]; a.Name != "proxy-a" || a.State != "unheard" || a.Labels["zone"] != "proxy-a" || a.Heard != nil {
		t.Errorf("a proxy that never called is listed as %+v", a)
	}
	if own := proxies[2]; own.Address != s.Proxy || own.Version == "" || own.Heard == nil {
		t.Errorf("the proxy that lives is listed as %+v", own)
	}
	if text := s.alice.must("stint", "proxies"); !strings.Contains(text, "zone=proxy-z") {
		t.Errorf("as a table they are\n%s", text)
	}
	s.dana.open(s.Portal + "/sessions/proxies")
	s.dana.see(`role=row[name=/proxy-z Not heard yet/]`)
	s.dana.see(`role=row[name=/Serving .*web-1/]`)
	s.dana.accessible()
	s.alice.exits(0, "here\n", "", "stint", "ssh", "web-1", "echo here")
	config := s.alice.useConfig()
	s.alice.exits(0, "here\n", "", "ssh", "-F", config, there, "echo here")
	s.alice.exits(0, "here\n", "", "ssh", "-F", config, "-J", "stint", there, "echo here")

	key := `"key": "` + s.keyOfProxy(signer) + `"`
	s.replaceIn(signer, key, key+`, "reach": {"networks": ["192.0.2.0/24"]}`)
	s.kill("signer")
	for _, way := range [][]string{{"stint", "ssh", "web-1", "echo here"}, {"ssh", "-F", config, there, "echo here"}} {
		s.eventually("the live proxy is offered no more", func() error {
			if _, complaints, err := s.alice.run(way[0], way[1:]...); err == nil || !strings.Contains(complaints, "no proxy answers") {
				return fmt.Errorf("%v says %q, %v", way, complaints, err)
			}
			return nil
		})
	}
	s.eventually("the live proxy has a host certificate without the target", func() error {
		_, complaints, err := s.alice.run("ssh", "-F", one, there, "echo here")
		if err == nil || !strings.Contains(complaints, "web-1") {
			return fmt.Errorf("plain ssh says %q, %v", complaints, err)
		}
		return nil
	})
}

// keyOfProxy is the key of the proxy that lives, by the signer's configuration.
func (s *story) keyOfProxy(path string) string {
	s.t.Helper()
	var config struct{ Proxies []struct{ Name, Key string } }
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	if err != nil || len(config.Proxies) != 3 {
		s.t.Fatalf("the signer's configuration has %+v, %v", config.Proxies, err)
	}
	return config.Proxies[2].Key
}
