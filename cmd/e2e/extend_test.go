//go:build e2e

package e2e

import (
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"stint/server/api"
)

// TestExtend has alice ask for more time while she works. Her sessions, by stint ssh and
// by plain ssh, go on over the end of the grant that opened them, and end with the one that
// extends it.
func TestExtend(t *testing.T) {
	t.Parallel()
	s := beginStory(t)
	config := s.alice.useConfig()
	first := s.grant("web-1", "60s")
	var shells []*shell
	for _, words := range [][]string{{"stint", "ssh", "web-1"}, {"ssh", "-F", config, s.Login + "@web-1"}} {
		shell := s.alice.open(words[0], words[1:]...)
		shell.enter(`echo "at"-work`)
		shell.sees("at-work")
		shells = append(shells, shell)
	}

	// 1. She asks; bob agrees; her own command line, which waits, takes it up.
	extend := s.alice.open("stint", "extend", "--for", "10m", "--reason", "It takes longer")
	var second api.Request
	s.eventually("she has asked", func() error {
		var page api.Requests
		s.alice.json(&page, "requests", "--state", "pending")
		if len(page.Items) != 1 {
			return fmt.Errorf("%d requests are pending", len(page.Items))
		}
		second = s.alice.request(page.Items[0].ID)
		return nil
	})
	if second.Role != first.Role || second.Login != first.Login || second.DurationSeconds != 600 {
		t.Errorf("she asked for %+v", second)
	}
	s.approve(second.ID)
	if status := extend.wait(); status != 0 || !strings.Contains(extend.screen.String(), "Extended by "+second.ID+" until ") {
		t.Fatalf("stint extend ends with %d:\n%s", status, extend.screen)
	}

	// 2. Over the end of the first grant they go on.
	for _, shell := range shells {
		shell.sees("stint: this session goes on until ")
	}
	s.eventually("the first grant is over", func() error {
		if state := s.alice.request(first.ID).State; state != "ended" || time.Now().Before(first.Ends.Add(2*time.Second)) {
			return fmt.Errorf("it is %s", state)
		}
		return nil
	})
	for _, shell := range shells {
		shell.enter(`echo "still"-at-work`)
		shell.sees("still-at-work")
	}

	// 3. Asked for in the portal, an extension is taken up by the command line.
	portal := s.signIn("alice", "/requests/"+second.ID, nil)
	portal.click(`role=link[name="Ask for more time"]`)
	portal.click(`role=button[name=/^Ask for .* on web-1/]`)
	portal.waitURL("/requests/req-")
	third := path.Base(portal.url())
	s.approve(third)
	portal.see(`text=stint extend ` + third)
	s.alice.must("stint", "extend", third)
	for _, shell := range shells {
		shell.sees("extended by " + third)
	}
	portal.open(s.Portal + "/sessions/" + s.alice.lastSession("web-1").ID)
	portal.see(`role=link[name="Ask for more time"]`)

	// 4. They end with the grant that they have.
	s.alice.must("stint", "drop", third)
	for _, shell := range shells {
		if status := shell.wait(); status != 255 || !strings.Contains(shell.screen.String(), "stint: access given back by ") {
			t.Errorf("a shell ends with %d:\n%s", status, shell.screen)
		}
	}
	said := s.alice.must("stint", "show", second.ID)
	if strings.Count(said, " goes on until ") != 2 {
		t.Errorf("the request's timeline says:\n%s", said)
	}
}
