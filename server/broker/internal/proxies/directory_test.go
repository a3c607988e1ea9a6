package proxies

import (
	"fmt"
	"testing"
	"time"

	"stint/policies"
	"stint/recorder/wire"
	signer "stint/server/signer/wire"
)

func TestOnlyProxiesThatOpenTheTargetAreOffered(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	reaches := map[string]*signer.Proxy{
		"key-a": {Reach: signer.Reach{Targets: []policies.Selector{{Labels: map[string]string{"env": "dev"}}, {Names: []string{"web-*"}}}}},
		"key-b": {Reach: signer.Reach{Networks: []string{"10.1.0.0/16"}}},
		"key-c": {},
	}
	d := &Directory{Statuses: NewStatuses(func() time.Time { return now }), Signer: func(key string) *signer.Proxy { return reaches[key] }}
	for _, name := range []string{"a", "b", "c", "stranger"} {
		d.Places = append(d.Places, Place{Name: name, Key: "key-" + name, Address: name + ":22"})
	}
	offered := func(target policies.Target) string {
		names := map[string]bool{}
		for _, place := range d.For(target, "alice") {
			names[place.Name] = true
		}
		return fmt.Sprint(names)
	}
	far := policies.Target{Name: "db-1", Address: "db-1.example.com:22", Labels: map[string]string{"env": "prod"}}
	for _, test := range []struct {
		target policies.Target
		want   string
	}{
		{policies.Target{Name: "web-1", Address: "10.1.2.3:22"}, "map[a:true b:true c:true]"},
		{policies.Target{Name: "db-1", Address: "10.2.2.3:22", Labels: map[string]string{"env": "dev"}}, "map[a:true c:true]"},
		{policies.Target{Name: "db-1", Address: "[::ffff:10.1.2.3]:22"}, "map[b:true c:true]"},
		{far, "map[c:true]"},
	} {
		if got := offered(test.target); got != test.want {
			t.Errorf("for %+v: %s, want %s", test.target, got, test.want)
		}
	}
	near := policies.Target{Name: "web-1", Address: "10.1.2.3:22"}
	d.Statuses.hear("a", wire.ProxyStatus{Process: "1", State: wire.ProxyDrains})
	d.Statuses.hear("b", wire.ProxyStatus{Process: "1", State: wire.ProxyServes, Version: "v2", Sessions: 3})
	if got := offered(near); got != "map[b:true c:true]" {
		t.Errorf("while one drains: %s", got)
	}
	d.Statuses.hear("c", wire.ProxyStatus{Process: "1", State: wire.ProxyStopped})
	if got := offered(far); got != "map[c:true]" {
		t.Errorf("where the only one has stopped: %s", got)
	}
	now = now.Add(wire.StatusLost + time.Second)
	if got := offered(near); got != "map[a:true b:true c:true]" {
		t.Errorf("where none is heard: %s", got)
	}
	for i, want := range []string{"silent", "silent", "stopped", "unheard"} {
		if got := d.All()[i].Status.State; got != want {
			t.Errorf("%s is %s, want %s", d.Places[i].Name, got, want)
		}
	}
}

func TestPeopleAreSpreadAndStay(t *testing.T) {
	t.Parallel()
	d := &Directory{Statuses: NewStatuses(time.Now), Signer: func(string) *signer.Proxy { return &signer.Proxy{} }}
	for i := range 4 {
		d.Places = append(d.Places, Place{Name: fmt.Sprint("proxy-", i)})
	}
	target, first := policies.Target{Name: "web-1"}, map[string]string{}
	count := map[string]int{}
	for i := range 4000 {
		whom := fmt.Sprint("person-", i)
		first[whom] = d.For(target, whom)[0].Name
		count[first[whom]]++
	}
	for name, n := range count {
		if n < 800 || n > 1200 {
			t.Errorf("%s is tried first by %d of 4000", name, n)
		}
	}
	gone := d.Places[2].Name
	d.Places = append(d.Places[:2], d.Places[3])
	for whom, before := range first {
		if now := d.For(target, whom)[0].Name; before != gone && now != before {
			t.Fatalf("%s was sent to %s and is sent to %s, though %s alone is gone", whom, before, now, gone)
		}
	}
}
