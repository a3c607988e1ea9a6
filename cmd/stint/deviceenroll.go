package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"stint/cmd/stint/internal/account"
	"stint/cmd/stint/internal/device"
	"stint/cmd/stint/internal/login"
	"stint/policies"
	"stint/server/api"
	"stint/server/evidence"
)

// enrolling is what stint device enroll was told.
type enrolling struct {
	replace, file bool
	tpm, name     string
}

func deviceEnrollCommand(e *environment) *cobra.Command {
	var told enrolling
	command := &cobra.Command{
		Use:   "enroll",
		Short: "Make this machine's key, in its TPM where there is one, and enrol it",
		Long: `Make this machine's key: in its TPM where there is one, so that nobody can copy
it, in a file that only you may read otherwise. It says which. Then enrol it with
the broker that you are signed in to: your login key and the new key sign it, and the
TPM proves that it holds the key. A key that is there already is enrolled as it is.

A key that is replaced is gone from here, and counts until its device is blocked.`,
		Args: nothing,
		RunE: func(command *cobra.Command, _ []string) error {
			if told.file && told.tpm != "" {
				return &usageError{errors.New("--file and --tpm exclude each other")}
			}
			return enrollDevice(command.Context(), e, told)
		},
	}
	command.Flags().BoolVar(&told.replace, "replace", false, "make another key in place of the one there is")
	command.Flags().BoolVar(&told.file, "file", false, "keep the key in a file even if there is a TPM")
	command.Flags().StringVar(&told.tpm, "tpm", "", "the TPM's device, or the socket of an emulator; else the first one found")
	command.Flags().StringVar(&told.name, "name", "", "what to call this machine; else its host name")
	return command
}

func enrollDevice(ctx context.Context, e *environment, told enrolling) error {
	replaced := ""
	if told.replace {
		replaced = deviceHere(ctx)
	}
	key, made, err := deviceKeyFor(ctx, e, told)
	if err != nil {
		return err
	}
	who, client, err := signedIn(e)
	if errors.Is(err, account.ErrSignedOut) {
		if !made {
			return device.ErrExists
		}
		fmt.Fprintln(e.out, "It is enrolled nowhere yet. Sign in with stint login, then: stint device enroll")
		return nil
	} else if err != nil {
		return err
	}
	id := deviceID(key.Public())
	known, _, err := ownDevice(ctx, client, id)
	if err != nil {
		return err
	}
	if known != nil {
		if known.Blocked != nil {
			return errors.New("this device was blocked; speak with an administrator, then make another key with: stint device enroll --replace")
		}
		fmt.Fprintf(e.out, "This device is enrolled as %s (%s).\n", plain(known.Name), plain(id))
		return nil
	}
	enrolled, err := enrol(ctx, e, who, client, key, told.name)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "Enrolled as %s (%s), with its key in %s.\n", plain(enrolled.Name), plain(enrolled.ID), plain(place(enrolled)))
	if replaced == "" {
		return nil
	}
	// Whoever copied it has it still.
	before, _, err := ownDevice(ctx, client, replaced)
	if err == nil && before != nil && before.Blocked == nil {
		fmt.Fprintf(e.out, "The key before it still counts, as %s. To end that: stint device block %s\n", plain(before.Name), plain(before.ID))
	}
	return err
}

// deviceHere is the id of this machine by the key that it has; empty where it has none
// that can be used.
func deviceHere(ctx context.Context) string {
	dir, err := account.Directory()
	if err != nil {
		return ""
	}
	key, err := device.Open(ctx, dir)
	if err != nil {
		return ""
	}
	return deviceID(key.Public())
}

// deviceKeyFor opens this machine's key, or makes one, and says where it is.
func deviceKeyFor(ctx context.Context, e *environment, told enrolling) (key *device.Key, made bool, err error) {
	dir, err := account.Directory()
	if err != nil {
		return nil, false, err
	}
	if !told.replace {
		if key, err = device.Open(ctx, dir); !errors.Is(err, device.ErrNone) {
			return key, false, err
		}
	}
	tpm := told.tpm
	switch {
	case told.file:
	case tpm == "":
		tpm = device.FindTPM()
	default:
		if tpm, err = filepath.Abs(tpm); err != nil {
			return nil, false, err
		}
	}
	if key, err = device.Create(ctx, dir, tpm, told.replace, e.now(), e.random); err != nil {
		return nil, false, err
	}
	described, err := describe(key)
	if err != nil {
		return nil, false, err
	}
	if tpm == "" && !told.file {
		fmt.Fprintln(e.out, "This machine has no TPM that can be used.")
	}
	fmt.Fprintf(e.out, "Made the device key %s.\n%s\n", described.Fingerprint, plain(holding(described)))
	return key, true, nil
}

// enrol has the signer take this machine's key as the person's.
func enrol(ctx context.Context, e *environment, who *account.Account, client *api.Client, key *device.Key, name string) (api.Device, error) {
	none := api.Device{}
	_, trust, err := who.Trust(ctx)
	if err != nil {
		return none, err
	}
	if name == "" {
		if name, err = os.Hostname(); err != nil || policies.CheckText(name, policies.MostName) != nil || name == "" {
			return none, &usageError{errors.New("this machine has no name that can be shown; give one with --name")}
		}
	}
	nonce, err := newNonce(e.random)
	if err != nil {
		return none, err
	}
	now := e.now().UTC().Truncate(time.Second)
	text, err := evidence.Encode(&evidence.Device{
		Instance: trust.Instance, Person: policies.Subject{Issuer: who.Person.Issuer, Subject: who.Person.Subject},
		Device: deviceID(key.Public()), DeviceName: name, DeviceKey: key.Public(), Held: string(key.Held()),
		Issued: now, Expires: now.Add(10 * time.Minute), Nonce: nonce,
	})
	if err != nil {
		return none, fmt.Errorf("writing the device's enrolment: %w", err)
	}
	possession, err := key.Sign(ctx, e.random, []byte(text))
	if err != nil {
		return none, err
	}
	enrolment := api.DeviceEnrolment{
		Statement: text, Possession: evidence.SignatureOfDevice(possession), Signature: who.Sign(text).Signature, Login: login.Binding(who.Login),
	}
	if key.Held() == device.HeldInTPM {
		if err := prove(ctx, client, key, &enrolment); err != nil {
			return none, err
		}
	}
	return client.EnrolDevice(ctx, enrolment)
}

// prove adds what shows that the TPM holds the key: its proof, and its answer to the
// signer's challenge.
func prove(ctx context.Context, client *api.Client, key *device.Key, enrolment *api.DeviceEnrolment) error {
	p := key.Proof()
	enrolment.TPM = &api.TPMProof{
		Endorsement: p.Endorsement, Certificate: p.Certificate, Attestation: api.TPMCertified(p.Attestation),
		Creation: p.Creation, Key: api.TPMCertified(p.Key),
	}
	challenge, err := client.ChallengeDevice(ctx, *enrolment)
	if err != nil {
		return err
	}
	answer, err := key.Answer(ctx, evidence.DeviceChallenge(challenge))
	if err != nil {
		return fmt.Errorf("answering the signer's challenge: %w", err)
	}
	enrolment.Answer = (*api.DeviceAnswer)(&answer)
	return nil
}
