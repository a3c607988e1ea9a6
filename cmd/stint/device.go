package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"stint/cmd/stint/internal/account"
	"stint/cmd/stint/internal/device"
	"stint/cmd/stint/internal/posture"
)

func deviceCommand(e *environment) *cobra.Command {
	var output format
	command := &cobra.Command{
		Use:   "device",
		Short: "This machine's key, and the state the machine is in",
		Long: `Show this machine's key, where it is held, and the state the machine is in.

The state is what the machine says of itself. This command sends nothing anywhere.`,
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := output.check(); err != nil {
				return err
			}
			return showDevice(command.Context(), e, output)
		},
	}
	formatFlag(command, &output)
	command.AddCommand(deviceEnrollCommand(e), deviceListCommand(e), deviceFleetCommand(e), deviceBlockCommand(e), deviceWatchCommand(e))
	return command
}

// deviceState is what stint device prints as JSON.
type deviceState struct {
	Key     *deviceKey     `json:"key"`               // null if there is none, or it cannot be used
	Problem string         `json:"problem,omitempty"` // why not
	Posture posture.Report `json:"posture"`
}

// deviceKey is the public side of a device key.
type deviceKey struct {
	Public      string      `json:"public"` // authorized_keys form
	Fingerprint string      `json:"fingerprint"`
	Held        device.Held `json:"held"`
	Where       string      `json:"where"`
	Made        time.Time   `json:"made"`
	// Provable: the TPM gave what a server needs to check that it holds the key.
	Provable bool `json:"provable"`
}

// showDevice prints all there is to say, and then returns what is wrong with the key.
func showDevice(ctx context.Context, e *environment, output format) error {
	dir, err := account.Directory()
	if err != nil {
		return err
	}
	var state deviceState
	key, problem := device.Open(ctx, dir)
	if problem != nil {
		state.Problem = problem.Error()
	} else if state.Key, err = describe(key); err != nil {
		return err
	}
	state.Posture = posture.Collect(ctx, e.now())
	if output == "json" {
		err = printJSON(e.out, state)
	} else {
		err = printDevice(e, state)
	}
	// Nothing is wrong with a machine that has no key yet.
	if errors.Is(problem, device.ErrNone) {
		problem = nil
	}
	return errors.Join(err, problem)
}

func describe(key *device.Key) (*deviceKey, error) {
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(key.Public()))
	if err != nil {
		return nil, err
	}
	proof := key.Proof()
	return &deviceKey{
		Public: key.Public(), Fingerprint: ssh.FingerprintSHA256(public), Held: key.Held(), Where: key.Where(), Made: key.Made(),
		Provable: proof != nil && len(proof.Endorsement) > 0,
	}, nil
}

func printDevice(e *environment, state deviceState) error {
	if state.Key != nil {
		fmt.Fprintf(e.out, "Device key %s, made %s.\n%s\n\n", plain(state.Key.Fingerprint), clock(state.Key.Made), plain(holding(state.Key)))
	} else {
		fmt.Fprintf(e.out, "No device key can be used: %s.\n\n", plain(state.Problem))
	}
	return table(e.out, []string{"FACT", "VALUE", "SOURCE, OR WHY NOT"}, postureRows(state.Posture))
}

// holding says where a key is held and what that is worth.
func holding(key *deviceKey) string {
	switch {
	case key.Held != device.HeldInTPM:
		return "It is held in a file that only you may read: whoever copies the file has the key."
	case key.Provable:
		return "It is held " + key.Where + ", cannot be copied, and the TPM can prove it."
	default:
		return "It is held " + key.Where + " and cannot be copied; the TPM withholds what would prove it to others."
	}
}

// postureRows shows a report, one fact a row.
func postureRows(r posture.Report) [][]string {
	return [][]string{
		factRow("system", r.System, func(s posture.System) string { return strings.TrimSpace(s.Name + " " + s.Version + " " + s.Build) }),
		factRow("last update", r.UpdateAge, func(days int) string {
			switch days {
			case 0:
				return "within a day"
			case 1:
				return "1 day ago"
			}
			return fmt.Sprintf("%d days ago", days)
		}),
		factRow("disk encryption", r.DiskEncryption, onOff),
		factRow("firewall", r.Firewall, onOff),
		factRow("screen lock", r.ScreenLock, func(lock posture.ScreenLock) string {
			if lock.On && lock.After != nil {
				return fmt.Sprintf("on, after %d seconds", *lock.After)
			}
			return onOff(lock.On)
		}),
		factRow("secure boot", r.SecureBoot, onOff),
		factRow("agents", r.Agents, func(agents []string) string {
			if len(agents) == 0 {
				return "none that is known"
			}
			return strings.Join(agents, ", ")
		}),
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func factRow[T any](name string, fact posture.Fact[T], show func(T) string) []string {
	if fact.Value == nil {
		return []string{name, "unknown", fact.Unknown}
	}
	return []string{name, show(*fact.Value), fact.Source}
}
