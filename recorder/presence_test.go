package recorder_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"stint/recorder/wire"
	signer "stint/server/signer/wire"
)

// A session whose person does not say again that they are there ends; one whose person
// does goes on, without a disconnect. That the broker alone says so moves nothing.
func TestWhoeverIsThereIsAskedAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		signed, told bool
		goesOn       bool
	}{
		"nobody confirms":        {false, false, false},
		"the broker alone says":  {false, true, false},
		"the signer has it":      {true, true, true},
		"nobody tells the proxy": {true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.Broker.SetLease(3 * time.Second)
			// In one that confirms nothing may end while this machine stands still; in the others
			// something must.
			rules := signer.SessionRules{ReauthenticateSeconds: 5}
			if c.goesOn {
				rules.ReauthenticateSeconds = 3600
			}
			r.under(rules)
			client := r.connect(t)
			session, err := client.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			var told bytes.Buffer
			session.Stderr = &told
			stdin, err := session.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := session.Start("cat > /dev/null"); err != nil {
				t.Fatal(err)
			}
			at := time.Now().UTC().Truncate(time.Second)
			if c.signed {
				r.Signer.IsPresent("r-1", at)
			}
			if c.told {
				r.Broker.TellPresent("r-1", at)
			}
			if c.goesOn {
				r.Broker.Await(t, "heard", func(s *recordertest.Session) bool { return len(s.Recording) > 0 })
				_ = stdin.Close()
				must(t, session.Wait())
				return
			}
			if err := session.Wait(); exitStatus(err) != 255 {
				t.Errorf("the command ended with %v", err)
			}
			if want := ": nobody confirmed for 5s that they are there"; !strings.Contains(told.String(), want) {
				t.Errorf("the person was told %q, which lacks %q", told.String(), want)
			}
			if delivered := r.Broker.AwaitDelivered(t, "r-1"); delivered.End.Reason != wire.ReasonReauthentication {
				t.Errorf("it ended %+v", delivered.End)
			}
		})
	}
}
