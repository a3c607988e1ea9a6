package proof

import (
	"encoding/json"
	"errors"
	"fmt"

	"stint/server/api"
	"stint/server/border"
	"stint/server/evidence"
	"stint/server/ledger"
)

// Bounds of an export file.
const (
	MaxFile          = 256 << 20 // bytes
	mostEntries      = 200_000
	mostCertificates = 10_000
	mostPath         = 64
)

// Read reads an export file of version 1. It refuses what it does not know and
// what is too much; what the file says it does not check.
func Read(data []byte) (api.Evidence, error) {
	var file api.Evidence
	if len(data) > MaxFile {
		return file, fmt.Errorf("the file is longer than %d bytes", MaxFile)
	}
	if err := border.DecodeStrict(data, &file); err != nil {
		return api.Evidence{}, err
	}
	switch {
	case file.Version != 1:
		return api.Evidence{}, fmt.Errorf("the file is of version %d; this program reads version 1", file.Version)
	case file.Request != "" && evidence.CheckRequest(file.Request) != nil:
		return api.Evidence{}, errors.New("the file names no request")
	case len(file.Entries) > mostEntries || len(file.Certificates) > mostCertificates:
		return api.Evidence{}, errors.New("the file holds more entries or certificates than a request can have")
	case len(file.Entries) == 0 && file.Agreed == "":
		return api.Evidence{}, errors.New("the file holds no evidence")
	}
	return file, nil
}

// leaf is an entry of the ledger that the file's checkpoint proves.
type leaf struct {
	index int64
	entry evidence.Entry
}

// proven reads the entries of a file and proves each to be in the checkpoint's
// tree. They are in rising order, each in the encoding that a signer writes.
func proven(entries []api.ProvenEntry, checkpoint ledger.Checkpoint) ([]leaf, error) {
	leaves := make([]leaf, 0, len(entries))
	last := int64(-1)
	for _, e := range entries {
		if e.Index <= last {
			return nil, failed("entries", "entry %d does not stand in its place", e.Index)
		}
		last = e.Index
		inclusion := ledger.Inclusion{Index: e.Index, Size: checkpoint.Size}
		if len(e.Path) > mostPath {
			return nil, failed("inclusion", "the path of entry %d is too long", e.Index)
		}
		for _, text := range e.Path {
			var hash ledger.Hash
			if err := hash.UnmarshalJSON([]byte(`"` + text + `"`)); err != nil {
				return nil, failed("inclusion", "the path of entry %d holds no hash", e.Index)
			}
			inclusion.Path = append(inclusion.Path, hash)
		}
		if err := inclusion.Check(ledger.LeafHash([]byte(e.Entry)), checkpoint); err != nil {
			return nil, failed("inclusion", "entry %d is not in the tree that the log's key signed: %v", e.Index, err)
		}
		entry, err := readEntry(e.Entry)
		if err != nil {
			return nil, failed("entries", "entry %d: %v", e.Index, err)
		}
		leaves = append(leaves, leaf{e.Index, entry})
	}
	return leaves, nil
}

// readEntry reads a leaf. Only the one encoding counts: another reader must not
// see another entry in the same bytes.
func readEntry(text string) (evidence.Entry, error) {
	var entry evidence.Entry
	if err := border.DecodeStrict([]byte(text), &entry); err != nil {
		return entry, fmt.Errorf("it is not an entry of this version: %w", err)
	}
	again, err := json.Marshal(entry)
	if err != nil || string(again) != text {
		return entry, errors.New("it is not written as a signer writes it")
	}
	things := 0
	for _, there := range []bool{
		entry.Session != nil, entry.Target != nil, entry.Extension != nil, entry.Host != nil, entry.Ending != nil, entry.Refusal != nil,
		entry.Enrolment != nil, entry.Removal != nil, entry.Suspension != nil, entry.Change != nil, entry.Policy != nil, entry.Inventory != nil, entry.Keys != nil,
		entry.Device != nil, entry.DeviceBlock != nil, entry.Delegation != nil, entry.DelegationEnd != nil, entry.Review != nil, entry.Presence != nil,
	} {
		if there {
			things++
		}
	}
	if things != 1 {
		return entry, fmt.Errorf("it records %d things, not one", things)
	}
	return entry, nil
}
