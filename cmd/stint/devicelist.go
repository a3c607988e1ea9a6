package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"stint/server/api"
	"stint/server/evidence"
)

func deviceListCommand(e *environment) *cobra.Command {
	var everybody bool
	var cursor string
	command := reading(e, &cobra.Command{
		Use:   "list",
		Short: "Your enrolled devices, with what they last said of themselves",
		Args:  nothing,
	}, func(ctx context.Context, client *api.Client, _ []string) (api.Devices, error) {
		return client.Devices(ctx, everybody, 0, cursor)
	}, func(page api.Devices) error {
		var rows [][]string
		columns := []string{"DEVICE", "NAME", "OWNER", "KEY HELD IN", "LAST SAID", "STATE"}
		byFleet := slices.ContainsFunc(page.Items, func(d api.Device) bool { return d.Fleet != nil })
		if byFleet {
			columns = slices.Insert(columns, 5, "TOLD FLEET")
		}
		for _, d := range page.Items {
			state, said := "enrolled", "nothing yet"
			if text := against(d, ""); text != "" {
				state = text
			}
			if d.Blocked != nil {
				state = "blocked"
			}
			if d.Posture != nil {
				said = clock(d.Posture.At)
			}
			row := []string{d.ID, d.Name, d.Owner.Name, place(d), said, state}
			if byFleet {
				row = slices.Insert(row, 5, toldFleet(d.Fleet))
			}
			rows = append(rows, row)
		}
		return tablePage(e.out, columns, rows, page.Cursor)
	})
	command.Flags().BoolVar(&everybody, "everybody", false, "everybody's devices (administrators and reviewers)")
	command.Flags().StringVar(&cursor, "cursor", "", "the page after this")
	return command
}

// place says where a device's key is, as it was proven when the device was enrolled.
func place(d api.Device) string {
	switch {
	case d.Held == evidence.HeldFile:
		return "a file"
	case d.Maker == "":
		return "a TPM of no known maker"
	}
	return "a TPM of " + d.Maker
}

// toldFleet is when a machine last told Fleet of itself, and as which host.
func toldFleet(host *api.FleetHost) string {
	switch {
	case host == nil:
		return "no host of Fleet's"
	case host.Word == nil:
		return "nothing: " + host.Trouble
	case host.Word.Collected == nil:
		return "nothing yet, as " + host.Word.Name
	}
	return clock(*host.Word.Collected) + ", as " + host.Word.Name
}

func deviceFleetCommand(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "fleet DEVICE HOST",
		Short: "Say which host of the Fleet server's a device is (reviewers and administrators)",
		Long: `Say which host of the Fleet server's a device is, by the serial number or hardware
UUID that Fleet knows. Take it from where machines are handed out, not from the
device's owner: who names a healthy machine of somebody else's has Fleet speak well
of theirs. Nobody does it for a device of their own. A host is one device's: it
goes over from an earlier device of the same person, or from a blocked one.`,
		Args: exactly(2, "which device, and which host? See: stint device list --everybody"),
		RunE: func(command *cobra.Command, arguments []string) error {
			_, client, err := signedIn(e)
			if err != nil {
				return err
			}
			d, err := client.BindFleet(command.Context(), arguments[0], api.FleetChoice{Host: arguments[1]})
			if err != nil {
				return err
			}
			fmt.Fprintf(e.out, "%s (%s) of %s is Fleet's host %d", plain(d.Name), plain(d.ID), plain(d.Owner.Name), d.Fleet.Host)
			if d.Fleet.Word != nil {
				fmt.Fprintf(e.out, ", %s", plain(d.Fleet.Word.Name))
			}
			fmt.Fprintf(e.out, ": serial number %s, hardware UUID %s.\n", plain(d.Fleet.Serial), plain(d.Fleet.UUID))
			if text := against(d, ""); text != "" {
				fmt.Fprintln(e.out, plain(text))
			}
			return nil
		},
	}
}

func deviceBlockCommand(e *environment) *cobra.Command {
	var block api.DeviceBlock
	command := &cobra.Command{
		Use:   "block DEVICE",
		Short: "Make a device count for nothing: its sessions end now",
		Long: `Make a device count for nothing at once, without proof. Its sessions end, and
nothing more is signed for what was activated from it. A device that was blocked
stays so; its machine needs another key. It does not sign anybody out: if somebody
may be using the machine, suspend its owner with stint lock.`,
		Args: exactly(1, "which device? See: stint device list"),
		RunE: func(command *cobra.Command, arguments []string) error {
			_, client, err := signedIn(e)
			if err != nil {
				return err
			}
			d, err := client.BlockDevice(command.Context(), arguments[0], block)
			if err != nil {
				return err
			}
			fmt.Fprintf(e.out, "%s (%s) of %s is blocked.\n", plain(d.Name), plain(d.ID), plain(d.Owner.Name))
			return nil
		},
	}
	command.Flags().StringVar(&block.Reason, "reason", "", "why; its owner reads it")
	return command
}
