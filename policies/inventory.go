package policies

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Bounds of inventories.
const (
	mostInventories = 32
	mostAllowed     = 256 // values of one label
	// MostTargets bounds the targets of one inventory.
	MostTargets = 10_000
)

func (l *loader) checkInventories(d definition) {
	inventories := d.organization.Inventories
	if len(inventories) > mostInventories {
		l.at(d, field("inventories"), "There are at most %d inventories.", mostInventories)
	}
	var names []string
	for i, inventory := range inventories {
		l.is(d, field("inventories", i, "name"), CheckName(inventory.Name))
		names = append(names, inventory.Name)
		l.is(d, field("inventories", i, "key"), checkInventoryKey(inventory.Key))
		if len(inventory.Labels) == 0 {
			l.at(d, field("inventories", i), "An inventory lists the labels that its targets may bear; without any, no role could reach them.")
		}
		for _, key := range slices.Sorted(maps.Keys(inventory.Labels)) {
			values, at := inventory.Labels[key], field("inventories", i, "labels", key)
			if len(values) == 0 || len(values) > mostAllowed {
				l.at(d, at, "A label has 1 to %d values that are allowed.", mostAllowed)
			}
			for _, value := range values {
				l.labels(d, field("inventories", i, "labels"), map[string]string{key: value})
			}
			l.distinct(d, at, values)
		}
	}
	l.distinct(d, field("inventories"), names)
}

// checkInventoryKey refuses what is no key that may sign an inventory, by its form:
// whether a point is on its curve shows when a signature is checked.
func checkInventoryKey(line string) error {
	kind, encoded, _ := strings.Cut(line, " ")
	blob, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err == nil && !strings.ContainsAny(encoded, "\r\n") {
		var front []byte
		for _, part := range map[string][]string{"ssh-ed25519": {kind}, "ecdsa-sha2-nistp256": {kind, "nistp256"}}[kind] {
			front = append(binary.BigEndian.AppendUint32(front, uint32(len(part))), part...)
		}
		size := map[string]int{"ssh-ed25519": 32, "ecdsa-sha2-nistp256": 65}[kind]
		front = binary.BigEndian.AppendUint32(front, uint32(size))
		if rest, ok := bytes.CutPrefix(blob, front); ok && size > 0 && len(rest) == size {
			return nil
		}
	}
	return fmt.Errorf("%.40q is not a key that signs an inventory: write ssh-ed25519 or ecdsa-sha2-nistp256 and its base64, without a comment", line)
}

// Admits refuses a target that the inventory may not bring: every label must be
// listed, with that value.
func (i Inventory) Admits(t Target) error {
	for _, key := range slices.Sorted(maps.Keys(t.Labels)) {
		if !slices.Contains(i.Labels[key], t.Labels[key]) {
			return fmt.Errorf("the target %s bears the label %s: %s, which the policy does not let the inventory %s give", t.Name, key, t.Labels[key], i.Name)
		}
	}
	return nil
}

// ParseTargets reads the targets document of an inventory: YAML documents of kind
// Target, as a policy file holds them, and no others. No document at all is an
// inventory without targets. Faults are named as Load names them.
func ParseTargets(text string) ([]Target, error) {
	const name = "targets"
	if len(text) > mostFile {
		return nil, fmt.Errorf("the targets hold more than %d bytes", mostFile)
	}
	l := newLoader()
	l.reader.Read(name, text)
	for _, d := range l.reader.Documents() {
		if d.Kind != "Target" {
			l.reader.At(d, nil, "An inventory holds documents of kind Target only.")
		}
	}
	if len(l.reader.Documents()) > MostTargets {
		return nil, fmt.Errorf("an inventory holds at most %d targets", MostTargets)
	}
	bundle, err := l.finish()
	if err != nil {
		return nil, err
	}
	return bundle.targets, nil
}

// WithTargets is the bundle with more targets, under the same digest: they are
// what an inventory brought, not policy. It refuses a target that is malformed and
// a name that is taken. b stays as it was.
func (b *Bundle) WithTargets(targets ...Target) (*Bundle, error) {
	if len(targets) == 0 {
		return b, nil
	}
	more := *b
	more.targets = slices.Concat(b.targets, targets)
	slices.SortStableFunc(more.targets, func(a, b Target) int { return cmp.Compare(a.Name, b.Name) })
	for i := 1; i < len(more.targets); i++ {
		if more.targets[i].Name == more.targets[i-1].Name {
			return nil, fmt.Errorf("there are two targets with the name %s", more.targets[i].Name)
		}
	}
	var faults []error
	for _, t := range targets {
		faults = append(faults, t.check())
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &more, nil
}

// check is what a document of kind Target must fulfil.
func (t Target) check() error {
	for _, key := range slices.Sorted(maps.Keys(t.Labels)) {
		if !labelKey.MatchString(key) || !labelValue.MatchString(t.Labels[key]) {
			return fmt.Errorf("the target %q: %q: %q is not a label", t.Name, key, t.Labels[key])
		}
	}
	for _, err := range []error{CheckName(t.Name), checkAddress(t.Address), checkHostKey(t.HostKey)} {
		if err != nil {
			return fmt.Errorf("the target %q: %w", t.Name, err)
		}
	}
	return nil
}
