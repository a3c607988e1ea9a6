package signer

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"stint/policies"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	good := newWorld(t).config
	path := filepath.Join(t.TempDir(), "signer.json")
	load := func(text string) (Config, error) {
		write(t, path, text)
		return ReadConfig(path)
	}
	data, err := json.Marshal(good)
	must(t, err)
	if _, err := load(string(data)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"instance":               {func(c *Config) { c.Instance = "No" }, "instance"},
		"relative path":          {func(c *Config) { c.Data = "data" }, "data"},
		"policy":                 {func(c *Config) { c.Policy = "" }, "policy"},
		"ceremony elsewhere":     {func(c *Config) { c.Ceremony.Origin = "https://signer.example.com" }, "ceremony.origin"},
		"ceremony in the clear":  {func(c *Config) { c.RelyingParty, c.Ceremony.Origin = "a.example.com", "http://a.example.com" }, "ceremony.origin"},
		"ceremony on a network":  {func(c *Config) { c.Ceremony.Listen = "0.0.0.0:8443" }, "ceremony.listen"},
		"ceremony without a key": {func(c *Config) { c.Ceremony.Certificate = "/tls.crt" }, "ceremony.certificate"},
		"ceremony for nobody":    {func(c *Config) { c.Ceremony.Administrators = nil }, "ceremony.administrators"},
		"ceremony twice": {func(c *Config) {
			c.Ceremony.Administrators = append(c.Ceremony.Administrators, c.Ceremony.Administrators[0])
		}, "listed twice"},
		"ceremony of another provider": {func(c *Config) { c.Ceremony.Administrators[0].Issuer = "https://id.example.org" }, "another provider"},
		"ceremony without a name":      {func(c *Config) { c.Ceremony.Administrators[0].Name = "" }, "administrators[0]"},
		"listen":                       {func(c *Config) { c.Listen = "8443" }, "listen"},
		"plain issuer":                 {func(c *Config) { c.Issuer.URL = "http://id.example.com" }, "https"},
		"odd issuer":                   {func(c *Config) { c.Issuer.URL = "https://id.example.com/?x=1" }, "issuer.url"},
		"client":                       {func(c *Config) { c.Issuer.ClientID = "" }, "client_id"},
		"no origin":                    {func(c *Config) { c.Origins = nil }, "origins"},
		"origin's path":                {func(c *Config) { c.Origins = []string{"https://stint.example.com/"} }, "origins"},
		"relying party":                {func(c *Config) { c.RelyingParty = "" }, "relying_party"},
		"no broker":                    {func(c *Config) { c.Broker = "" }, "broker"},
		"capitals":                     {func(c *Config) { c.Broker = strings.ToUpper(c.Broker) }, "broker"},
		"broker a proxy":               {func(c *Config) { c.Proxies[0].Key = c.Broker }, "another caller"},
		"proxy's name":                 {func(c *Config) { c.Proxies[0].Name = "broker" }, "name"},
		"star":                         {func(c *Config) { c.Proxies[0].Names = []string{"*"} }, "names"},
		"star in a label":              {func(c *Config) { c.Proxies[0].Labels = map[string]string{"region": "e*"} }, "proxies[0].labels"},
		"empty selector":               {func(c *Config) { c.Proxies[0].Reach.Targets = []policies.Selector{{}} }, "proxies[0].reach.targets[0]"},
		"odd selector":                 {func(c *Config) { c.Proxies[0].Reach.Targets = []policies.Selector{{Names: []string{"DB"}}} }, "proxies[0].reach.targets[0]"},
		"host for a network":           {func(c *Config) { c.Proxies[0].Reach.Networks = []string{"10.1.2.3/16"} }, "proxies[0].reach.networks[0]"},
		"comma":                        {func(c *Config) { c.Proxies[0].Names = []string{"a,b"} }, "names"},
	} {
		changed := good
		changed.Proxies = append([]ProxyConfig{}, good.Proxies...)
		ceremony := *good.Ceremony
		ceremony.Administrators = append([]policies.Person{}, ceremony.Administrators...)
		changed.Ceremony = &ceremony
		c.change(&changed)
		data, err := json.Marshal(changed)
		must(t, err)
		if _, err := load(string(data)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want it to name %q", name, err, c.says)
		}
	}
	if _, err := load(strings.Replace(string(data), `"listen"`, `"lisen":"","listen"`, 1)); err == nil || !strings.Contains(err.Error(), "lisen") {
		t.Errorf("an unknown key: %v", err)
	}
	if _, err := load(string(data) + "{}"); err == nil {
		t.Error("something that follows was accepted")
	}
}
