package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"stint/cmd/stint/internal/account"
	"stint/cmd/stint/internal/device"
	"stint/cmd/stint/internal/openssh"
	"stint/cmd/stint/internal/posture"
	"stint/policies"
	"stint/server/api"
	"stint/server/evidence"
)

// deviceID names a device by its key, so that the machine need not remember what
// each broker calls it.
func deviceID(public string) string {
	sum := sha256.Sum256([]byte(public))
	return "dev-" + hex.EncodeToString(sum[:10])
}

// machine is this machine as the signed-in broker has it enrolled.
type machine struct {
	id       string
	instance string
	key      *device.Key
	// within is how long it may wait until it says again how it is; zero where no
	// role asks.
	within time.Duration
	asking []string // the roles that ask for a device
}

// errNotEnrolled is no machine at all.
var errNotEnrolled = errors.New("this machine is not enrolled; enrol it with: stint device enroll")

// unusableError is why a machine with a key cannot use it.
type unusableError struct{ error }

func (e *unusableError) Unwrap() error { return e.error }

// findMachine finds this machine among the person's devices. It returns errNotEnrolled
// where it is not, and an *unusableError where its key counts for nothing.
func findMachine(ctx context.Context, who *account.Account, client *api.Client) (*machine, error) {
	dir, err := account.Directory()
	if err != nil {
		return nil, err
	}
	key, err := device.Open(ctx, dir)
	if errors.Is(err, device.ErrNone) {
		return nil, errNotEnrolled
	} else if err != nil {
		return nil, &unusableError{err}
	}
	id := deviceID(key.Public())
	known, within, err := ownDevice(ctx, client, id)
	switch {
	case err != nil:
		return nil, err
	case known == nil:
		return nil, errNotEnrolled
	case known.Blocked != nil:
		return nil, &unusableError{errors.New("this device was blocked; speak with an administrator")}
	}
	_, trust, err := who.Trust(ctx)
	if err != nil {
		return nil, err
	}
	m := &machine{id: id, instance: trust.Instance, key: key, within: within}
	for _, rule := range known.Rules {
		m.asking = append(m.asking, rule.Role)
	}
	return m, nil
}

// ownDevice finds a device of the person's, nil for none, and how long one may wait
// until it says again how it is.
func ownDevice(ctx context.Context, client *api.Client, id string) (known *api.Device, within time.Duration, err error) {
	for cursor := ""; ; {
		page, err := client.Devices(ctx, false, 200, cursor)
		if err != nil {
			return nil, 0, err
		}
		within = time.Duration(page.ReportSeconds) * time.Second
		if i := slices.IndexFunc(page.Items, func(d api.Device) bool { return d.ID == id }); i >= 0 {
			return &page.Items[i], within, nil
		}
		if cursor = page.Cursor; cursor == "" {
			return nil, within, nil
		}
	}
}

// thisMachine is findMachine, nil where there is none. A key that cannot be used is no
// reason not to connect: the role may not ask for it.
func thisMachine(ctx context.Context, e *environment, who *account.Account, client *api.Client) (*machine, error) {
	m, err := findMachine(ctx, who, client)
	if errors.Is(err, errNotEnrolled) {
		return nil, nil
	}
	if unusable, ok := errors.AsType[*unusableError](err); ok {
		fmt.Fprintln(e.err, "stint:", plain(unusable.Error()))
		return nil, nil
	}
	return m, err
}

// sign signs a statement's text with the device's key.
func (m *machine) sign(ctx context.Context, e *environment, text string) (string, error) {
	signature, err := m.key.Sign(ctx, e.random, []byte(text))
	if err != nil {
		return "", err
	}
	return evidence.SignatureOfDevice(signature), nil
}

// say asks this machine in what state it is, and signs the answer.
func (m *machine) say(ctx context.Context, e *environment) (api.SignedByDevice, error) {
	var said api.SignedByDevice
	statement := postureOf(posture.Collect(ctx, e.now()))
	statement.Instance, statement.Device = m.instance, m.id
	var err error
	if statement.Nonce, err = newNonce(e.random); err != nil {
		return said, err
	}
	if said.Statement, err = evidence.Encode(statement); err != nil {
		return said, fmt.Errorf("writing what this machine says of itself: %w", err)
	}
	said.Signature, err = m.sign(ctx, e, said.Statement)
	return said, err
}

func newNonce(random io.Reader) (string, error) {
	var nonce [16]byte
	if _, err := io.ReadFull(random, nonce[:]); err != nil {
		return "", err
	}
	return evidence.NewNonce(nonce), nil
}

// postureOf writes a report as a statement has it, without whose it is.
func postureOf(r posture.Report) *evidence.Posture {
	p := &evidence.Posture{
		System: policies.Unknown, SystemAgeDays: r.UpdateAge.Value,
		DiskEncryption: switched(r.DiskEncryption.Value), Firewall: switched(r.Firewall.Value), ScreenLock: policies.Unknown,
		SecureBoot: switched(r.SecureBoot.Value), Issued: r.Collected,
	}
	if r.ScreenLock.Value != nil {
		p.ScreenLock = switched(&r.ScreenLock.Value.On)
	}
	if s := r.System.Value; s != nil {
		name := strings.Join(strings.Fields(s.Name+" "+s.Version+" "+s.Build), " ")
		if name != "" && policies.CheckText(name, policies.MostName) == nil {
			p.System = name
		}
	}
	if r.Agents.Value != nil {
		for _, agent := range *r.Agents.Value {
			if policies.CheckGroup(agent) == nil && len(p.Protection) < 64 {
				p.Protection = append(p.Protection, agent)
			}
		}
		slices.Sort(p.Protection)
		p.Protection = slices.Compact(p.Protection)
	}
	return p
}

func switched(on *bool) string {
	switch {
	case on == nil:
		return policies.Unknown
	case *on:
		return policies.On
	}
	return policies.Off
}

// report says in what state this machine is, and returns what the broker makes of it.
func (m *machine) report(ctx context.Context, e *environment, client *api.Client) (api.Device, error) {
	said, err := m.say(ctx, e)
	if err != nil {
		return api.Device{}, err
	}
	return client.ReportPosture(ctx, m.id, said)
}

// answerPatience bounds how long a session's end waits for the answer to a report.
const answerPatience = 5 * time.Second

// send hands a signed posture in, also when ctx ends meanwhile.
func (m *machine) send(ctx context.Context, client *api.Client, said api.SignedByDevice) (api.Device, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerPatience)
	defer cancel()
	return client.ReportPosture(ctx, m.id, said)
}

// against is what a role has against a device, in one line; empty where it complies.
func against(d api.Device, role string) string {
	var texts []string
	for _, rule := range d.Rules {
		if role != "" && rule.Role != role {
			continue
		}
		for _, reason := range rule.Reasons {
			if !reason.Met && !slices.Contains(texts, reason.Text) {
				texts = append(texts, reason.Text)
			}
		}
	}
	return strings.Join(texts, " ")
}

// ready says in what state this machine is before a session under a role, if any role
// asks, and refuses in words where the role would. What goes wrong in that keeps nobody
// from a role that does not ask.
func ready(ctx context.Context, e *environment, who *account.Account, client *api.Client, role string) (*machine, error) {
	m, err := thisMachine(ctx, e, who, client)
	if err != nil || m == nil || m.within == 0 {
		return m, err
	}
	device, err := m.report(ctx, e, client)
	if err != nil && !slices.Contains(m.asking, role) {
		fmt.Fprintln(e.err, "stint:", plain(explanation(err)))
		return m, nil
	} else if err != nil {
		return nil, err
	}
	// Fleet is asked at the activation: what it said last may be long ago.
	for i := range device.Rules {
		device.Rules[i].Reasons = slices.DeleteFunc(device.Rules[i].Reasons, func(r api.Reason) bool { return strings.HasPrefix(r.Rule, "fleet") })
	}
	if text := against(device, role); text != "" {
		return nil, errors.New(strings.TrimSuffix(text, "."))
	}
	return m, nil
}

// device is the machine's id; empty for none.
func (m *machine) device() string {
	if m == nil {
		return ""
	}
	return m.id
}

// proof is what activates a grant from this machine; nil for none.
func (m *machine) proof(e *environment) *openssh.Device {
	if m == nil {
		return nil
	}
	return &openssh.Device{
		ID: m.id,
		Say: func(ctx context.Context) (*api.SignedByDevice, error) {
			if m.within == 0 {
				return nil, nil
			}
			said, err := m.say(ctx, e)
			return &said, err
		},
		Sign: func(ctx context.Context, text string) (string, error) { return m.sign(ctx, e, text) },
	}
}

// explanation is an error as one sentence.
func explanation(err error) string {
	var problem *api.Error
	if errors.As(err, &problem) {
		return problem.Title
	}
	return err.Error()
}
