package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"stint/policies"
	"stint/policies/analysis"
	"stint/server/api"
)

// Bounds of a recorded history.
const (
	mostRecorded     = 100_000 // requests
	mostRecordedLine = 4 << 20 // bytes
)

// policyDiffered is what stint policy diff answers.
type policyDiffered struct {
	Sentences []string         `json:"sentences"`
	Replay    *analysis.Replay `json:"replay,omitempty"`
	Note      string           `json:"note,omitempty"` // what of the history is approximated
	// Unknown is how many of the recorded requests are for targets that neither policy
	// has, such as an inventory's: both refuse them, whatever they change.
	Unknown int `json:"unknown_targets,omitempty"`
}

func policyDiffCommand(e *environment) *cobra.Command {
	var against string
	var most int
	command := policyAnswer(e, &cobra.Command{
		Use:   "diff OLD NEW [--against history|FILE]",
		Short: "What another policy changes, also for recorded requests",
		Long: `Say in sentences what a policy changes. OLD and NEW are folders, or current for
the policy in force. --against decides recorded requests by both, and says which
would come out otherwise, those that become easier first: history is the
broker's, with asks that were refused (reviewers and administrators), a FILE has
one request a line.`,
		Example: `  stint policy diff current policies --against history`,
		Args:    exactly(2, "name two folders of policy files, the old one first; or current for the policy in force"),
	}, func(ctx context.Context, arguments []string) (policyDiffered, error) {
		before, after, err := readBoth(ctx, e, arguments[0], arguments[1])
		if err != nil {
			return policyDiffered{}, err
		}
		differed := policyDiffered{Sentences: append([]string{}, policies.Difference(before.policy, after.policy)...)}
		if against == "" {
			return differed, nil
		}
		history, note, err := readHistory(ctx, e, against)
		if err != nil {
			return policyDiffered{}, err
		}
		replay := analysis.Backtest(before.withTargets, after.withTargets, history)
		differed.Replay, differed.Note = &replay, note
		for _, recorded := range history {
			_, was := before.withTargets.Target(recorded.Facts.Ask.Target)
			_, is := after.withTargets.Target(recorded.Facts.Ask.Target)
			if !was && !is {
				differed.Unknown++
			}
		}
		return differed, nil
	}, func(differed policyDiffered) error {
		if len(differed.Sentences) == 0 {
			fmt.Fprintln(e.out, "Both mean the same.")
		}
		sentences(e, "", differed.Sentences...)
		if differed.Replay != nil {
			printReplay(e, *differed.Replay, most)
			if differed.Unknown > 0 {
				paragraph(e, "", fmt.Sprintf("Neither policy has the targets of %d of them, which may be an inventory's, so both refuse: describe these targets in the tests.", differed.Unknown))
			}
			if differed.Note != "" {
				paragraph(e, "", differed.Note)
			}
		}
		return nil
	}, never)
	command.Flags().StringVar(&against, "against", "", "recorded requests: history, or a `file` of JSON lines")
	command.Flags().IntVar(&most, "most", 20, "show so many requests that come out otherwise")
	return command
}

func printReplay(e *environment, replay analysis.Replay, most int) {
	if replay.Requests == 0 {
		fmt.Fprintln(e.out, "\nNo request is recorded.")
		return
	}
	fmt.Fprintf(e.out, "\nOf %s, %d would come out the same.\n", number(replay.Requests, "recorded request"), replay.Same)
	for _, c := range replay.Counts {
		mark := "  "
		if c.Wider {
			mark = "! "
		}
		fmt.Fprintln(e.out, "  "+mark+plain(c.Text))
	}
	for i, d := range replay.Differences {
		if i == most {
			fmt.Fprintf(e.out, "And %d more; see them with --most.\n", len(replay.Differences)-most)
			break
		}
		sentences(e, "", d.Request+": "+d.Text)
	}
}

// readBoth reads two policies. The one in force has no tests beside it: it is given the
// targets of the other's tests.
func readBoth(ctx context.Context, e *environment, first, second string) (before, after policyFolder, err error) {
	var both [2]policyFolder
	var targets []policies.Target
	for i, name := range []string{first, second} {
		if name == "current" {
			continue
		}
		if both[i], err = readPolicy(e, name); err != nil {
			return before, after, err
		}
		targets = both[i].suite.Targets
	}
	for i := range both {
		if both[i].policy != nil {
			continue
		}
		_, client, err := signedIn(e)
		if err != nil {
			return before, after, err
		}
		if both[i].policy, err = currentPolicy(ctx, client); err != nil {
			return before, after, err
		}
		both[i].withTargets = both[i].policy
		for _, t := range targets {
			if _, has := both[i].withTargets.Target(t.Name); !has {
				if both[i].withTargets, err = both[i].withTargets.WithTargets(t); err != nil {
					return before, after, err
				}
			}
		}
	}
	return both[0], both[1], nil
}

// currentPolicy is the policy in force. The broker is not believed: its files must be those
// of the digest.
func currentPolicy(ctx context.Context, client *api.Client) (*policies.Bundle, error) {
	policy, err := client.Policy(ctx)
	if err != nil {
		return nil, err
	}
	return provenPolicy(policy)
}

func provenPolicy(policy api.Policy) (*policies.Bundle, error) {
	bundle, err := policies.Parse(policy.Files)
	if err != nil || bundle.Digest() != policy.Digest {
		return nil, &unprovenError{errors.New("the files that the broker gave are not those of the digest")}
	}
	return bundle, nil
}

// readHistory reads recorded requests, from the broker or a file.
func readHistory(ctx context.Context, e *environment, against string) ([]analysis.Recorded, string, error) {
	if against == "history" {
		return brokerHistory(ctx, e)
	}
	file, err := os.Open(against)
	if err != nil {
		return nil, "", &usageError{unreadable("--against", against, err)}
	}
	defer file.Close()
	var history []analysis.Recorded
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, mostRecordedLine)
	for number := 1; lines.Scan(); number++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var recorded analysis.Recorded
		if err := json.Unmarshal(lines.Bytes(), &recorded); err != nil || recorded.Facts.Ask.Role == "" {
			return nil, "", &usageError{fmt.Errorf("%s:%d: this is no recorded request; each line is JSON with request, outcome and facts", plain(against), number)}
		}
		if len(history) == mostRecorded {
			return nil, "", &usageError{fmt.Errorf("%s holds more than %d requests", plain(against), mostRecorded)}
		}
		history = append(history, recorded)
	}
	if err := lines.Err(); err != nil {
		return nil, "", fmt.Errorf("reading %s: %w", plain(against), err)
	}
	return history, "", nil
}
