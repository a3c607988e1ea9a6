package recorder_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"stint/recorder"
)

const goodConfig = `{
  "name": "proxy-1", "instance": "k3f9x2mq", "data": "/var/lib/stint/proxy", "listen": "127.0.0.1:2222",
  "tls": {"certificate": "/etc/stint/proxy.crt", "key": "/etc/stint/proxy.key", "authority": "/etc/stint/ca.crt"},
  "signer": {"url": "https://127.0.0.1:7001", "key": "0000000000000000000000000000000000000000000000000000000000000001"},
  "broker": {"url": "https://127.0.0.1:7002", "key": "0000000000000000000000000000000000000000000000000000000000000002"}
}`

// parse reads a configuration file with that text.
func parse(t *testing.T, text string) (recorder.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "proxy.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return recorder.ReadConfig(path)
}

func TestReadConfig(t *testing.T) {
	t.Parallel()
	if _, err := parse(t, goodConfig); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ old, new, names string }{
		{`"name": "proxy-1"`, `"name": ""`, "name"},
		{`"name": "proxy-1"`, `"name": "Proxy 1"`, "name"},
		{`"instance": "k3f9x2mq", `, ``, "instance"},
		{`"/var/lib/stint/proxy"`, `"proxy"`, "data"},
		{`"127.0.0.1:2222"`, `"2222"`, "listen"},
		{`"/etc/stint/proxy.crt"`, `"proxy.crt"`, "tls.certificate"},
		{`"/etc/stint/proxy.key"`, `""`, "tls.key"},
		{`https://127.0.0.1:7001`, `http://127.0.0.1:7001`, "signer.url"},
		{`https://127.0.0.1:7002`, `https://`, "broker.url"},
		{`0000000000000001"`, `"`, "signer.key"},
		{`0000000000000002"`, `000000000000000x"`, "broker.key"},
		{`"listen"`, `"listens"`, "listens"},
		{`"listen"`, `"tunnel": {"address": ":8444", "key": "` + strings.Repeat("ab", 32) + `"}, "listen"`, "tunnel.address"},
		{`"listen"`, `"tunnel": {"address": "front:8444", "key": "AB"}, "listen"`, "tunnel.key"},
		{`"listen"`, `"front": {"listen": "8444", "proxies": []}, "listen"`, "front.listen"},
		{`"listen"`, `"front": {"listen": ":8444", "proxies": [{"name": "A", "key": "` + strings.Repeat("ab", 32) + `", "listen": ":1"}]}, "listen"`, "front.proxies[0].name"},
		{`"listen"`, `"front": {"listen": ":8444", "proxies": [{"name": "a", "key": "", "listen": ":1"}]}, "listen"`, "front.proxies[0].key"},
		{`"listen"`, `"front": {"listen": ":8444", "proxies": [{"name": "a", "key": "` + strings.Repeat("ab", 32) + `", "listen": "1"}]}, "listen"`, "front.proxies[0].listen"},
		{`}`, `, "more": 1}`, "more"},
	} {
		text := strings.Replace(goodConfig, test.old, test.new, 1)
		if text == goodConfig {
			t.Fatalf("%q is not in the configuration", test.old)
		}
		if _, err := parse(t, text); err == nil || !strings.Contains(err.Error(), test.names) {
			t.Errorf("%q for %q: %v, want %q named", test.new, test.old, err, test.names)
		}
	}
}

func TestEveryFaultIsNamedInOrder(t *testing.T) {
	t.Parallel()
	want := []string{
		"name", "instance", "listen", "data", "tls.certificate", "tls.key", "signer.url", "signer.key", "broker.url", "broker.key",
	}
	_, err := parse(t, `{}`)
	if err == nil {
		t.Fatal("an empty configuration is accepted")
	}
	var named []string
	_, faults, _ := strings.Cut(err.Error(), "proxy.json: ")
	for line := range strings.Lines(faults) {
		field, _, _ := strings.Cut(line, ":")
		named = append(named, field)
	}
	if !slices.Equal(named, want) {
		t.Errorf("named are %q, want %q", named, want)
	}
}

func FuzzReadConfig(f *testing.F) {
	f.Add([]byte(goodConfig))
	f.Fuzz(func(t *testing.T, text []byte) {
		config, err := parse(t, string(text))
		if err != nil {
			return
		}
		again, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := parse(t, string(again)); err != nil || !reflect.DeepEqual(second, config) {
			t.Errorf("%+v reads back as %+v, %v", config, second, err)
		}
	})
}
