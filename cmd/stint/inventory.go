package main

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"stint/cmd/stint/internal/account"
	"stint/policies"
	"stint/server/api"
	"stint/server/evidence"
)

// inventoryCommand is for what brings targets: a pipeline, with a key that the
// policy names. It needs no sign-in.
func inventoryCommand(e *environment) *cobra.Command {
	command := &cobra.Command{
		Use:   "inventory",
		Short: "Targets that come and go, signed by a key that the policy names",
		Args:  exactly(0, "say sign or push; see: stint inventory --help"),
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(inventorySignCommand(e), inventoryPushCommand(e))
	return command
}

func inventorySignCommand(e *environment) *cobra.Command {
	var keyFile, name, instance, url string
	var number int64
	var life time.Duration
	command := &cobra.Command{
		Use:   "sign FILE --name INVENTORY --key KEY --number N",
		Short: "Sign all the targets that an inventory holds, and write them to standard output",
		Long: `Sign all the targets that an inventory holds from now on: FILE has YAML documents
of kind Target, as a policy file has. The number must be greater than that of
every earlier one (the time as $(date +%s) will do). The key is an OpenSSH private key of
type ed25519 or ecdsa-sha2-nistp256 without a passphrase, whose public half the policy
names for the inventory.`,
		Example: `  stint inventory sign targets.yaml --name scaling --key inventory.key --number $(date +%s) > signed.json
  stint inventory push signed.json --url https://stint.example.com`,
		Args: exactly(1, "name the file of targets"),
		RunE: func(command *cobra.Command, arguments []string) error {
			if name == "" || keyFile == "" || number < 1 {
				return &usageError{errors.New("give --name, --key and --number; see: stint inventory sign --help")}
			}
			text, err := os.ReadFile(arguments[0])
			if err != nil {
				return err
			}
			if _, err := policies.ParseTargets(string(text)); err != nil {
				return &usageError{err}
			}
			key, err := readSigningKey(keyFile)
			if err != nil {
				return err
			}
			if instance == "" {
				client, err := anonymous(url)
				if err != nil {
					return err
				}
				configuration, err := client.Configuration(command.Context())
				if err != nil {
					return err
				}
				instance = configuration.Instance
			}
			draft, err := signInventory(e, evidence.InventoryChange{
				Instance: instance, Inventory: name, Number: number, Targets: evidence.Digest(string(text)),
			}, life, key)
			if err != nil {
				return err
			}
			draft.Targets = string(text)
			return printJSON(e.out, draft)
		},
	}
	flags := command.Flags()
	flags.StringVar(&keyFile, "key", "", "file of the private key")
	flags.StringVar(&name, "name", "", "the inventory's name in the policy")
	flags.Int64Var(&number, "number", 0, "greater than every earlier one")
	flags.DurationVar(&life, "for", 24*time.Hour, "after this time without a newer one the targets are gone")
	flags.StringVar(&instance, "instance", "", "the installation's id (default: asked of the broker)")
	flags.StringVar(&url, "url", os.Getenv("STINT_URL"), "the portal's address; also STINT_URL, else that of the last sign-in")
	return command
}

func signInventory(e *environment, change evidence.InventoryChange, life time.Duration, key crypto.Signer) (api.InventoryDraft, error) {
	var nonce [16]byte
	if _, err := io.ReadFull(e.random, nonce[:]); err != nil {
		return api.InventoryDraft{}, err
	}
	change.Issued = e.now().UTC().Truncate(time.Second)
	change.Expires, change.Nonce = change.Issued.Add(life.Truncate(time.Second)), evidence.NewNonce(nonce)
	text, err := evidence.Encode(&change)
	if err != nil {
		return api.InventoryDraft{}, &usageError{err}
	}
	signed, err := evidence.SignWithAuthority(text, key)
	return api.InventoryDraft{Statement: signed.Statement, Signature: signed.Signature}, err
}

// readSigningKey reads an OpenSSH private key that can sign an inventory.
func readSigningKey(path string) (crypto.Signer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	parsed, err := ssh.ParseRawPrivateKey(data)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		return nil, fmt.Errorf("the key in %s has a passphrase; a pipeline needs one without, kept by whatever runs it", path)
	} else if err != nil {
		return nil, fmt.Errorf("reading the key in %s: %w", path, err)
	}
	key, ok := parsed.(crypto.Signer)
	if ok {
		_, err = evidence.FormatAuthorityKey(key.Public())
	}
	if !ok || err != nil {
		return nil, fmt.Errorf("the key in %s is of a type that signs no inventory; make one with: ssh-keygen -t ed25519", path)
	}
	return key, nil
}

func inventoryPushCommand(e *environment) *cobra.Command {
	var url string
	command := &cobra.Command{
		Use:   "push FILE",
		Short: "Hand in what stint inventory sign wrote; no sign-in is needed",
		Args:  exactly(1, "name the file that stint inventory sign wrote"),
		RunE: func(command *cobra.Command, arguments []string) error {
			var draft api.InventoryDraft
			if err := readJSON(arguments[0], &draft); err != nil {
				return err
			}
			client, err := anonymous(url)
			if err != nil {
				return err
			}
			taken, err := client.PushInventory(command.Context(), draft)
			if err != nil {
				return err
			}
			fmt.Fprintf(e.out, "The signer has taken number %d of %s; its targets stay until %s.\n", taken.Number, plain(taken.Name), clock(taken.Expires))
			return nil
		},
	}
	command.Flags().StringVar(&url, "url", os.Getenv("STINT_URL"), "the portal's address; also STINT_URL, else that of the last sign-in")
	return command
}

// anonymous is a client without a sign-in.
func anonymous(url string) (*api.Client, error) {
	if url == "" {
		last, err := account.Last()
		if err != nil {
			return nil, &usageError{errors.New("where to? Give --url https://stint.example.com (or set STINT_URL)")}
		}
		url = last.URL
	}
	client, err := api.NewClient(url, "", nil)
	if err != nil {
		return nil, &usageError{err}
	}
	return client, nil
}
