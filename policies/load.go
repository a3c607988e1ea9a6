package policies

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Bundle is a policy that was loaded and checked. It never changes, and any
// number of goroutines may use it. What its methods return belongs to it: read
// it, do not write to it.
type Bundle struct {
	files        map[string]string
	digest       string
	organization Organization
	roles        []Role                 // by name
	targets      []Target               // by name
	separations  []Separation           // by name
	teams        []Team                 // by name
	calendars    []Calendar             // by name
	aliasSet     map[Subject]int        // where in organization.Aliases an identity stands
	conditions   map[string]*conditions // by role
	environments *environments          // of conditions; nil once all are compiled

	apart   map[string][]int          // separations that name a role
	tickets map[string]*regexp.Regexp // by Ticket.Pattern
	teamsBy teamIndex
}

// Bounds of a bundle, in bytes.
const (
	mostFile   = 1 << 20
	mostBundle = 8 << 20
)

// Load reads every *.yaml file at the root of fsys, each any number of
// documents, and checks all of it. It either returns a bundle without fault, or
// an error that names every Fault. Files whose names begin with a dot are left alone
// (editors and mounts make them), and folders, such as that of the tests, are not entered.
func Load(fsys fs.FS) (*Bundle, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("reading the policy folder: %w", err)
	}
	files := map[string]string{}
	for _, entry := range entries {
		name := entry.Name()
		if !takesPart(name) {
			continue
		}
		text, err := readBounded(fsys, name)
		if err != nil {
			return nil, err
		}
		files[name] = string(text)
	}
	return Parse(files)
}

// takesPart says whether a file of the folder is policy, or claims to be.
func takesPart(name string) bool {
	return !strings.HasPrefix(name, ".") && (path.Ext(name) == ".yaml" || path.Ext(name) == ".yml")
}

// Parse is Load for texts by their file names, as Bundle.Files gives them.
func Parse(files map[string]string) (*Bundle, error) {
	l := newLoader()
	total := 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text := files[name]
		switch {
		case !takesPart(name):
			continue
		case path.Ext(name) == ".yml":
			// Whoever wrote it believes that it counts.
			l.reader.Note(name, 1, 1, "Policy files end in .yaml; rename this one.")
			continue
		case len(text) > mostFile:
			return nil, fmt.Errorf("%s holds more than %d bytes", name, mostFile)
		}
		if total += len(text); total > mostBundle {
			return nil, fmt.Errorf("the policy folder holds more than %d bytes", mostBundle)
		}
		l.bundle.files[name] = text
		if visible(l.reader, name, text) {
			l.reader.Read(name, text)
		} else {
			l.unread = true
		}
	}
	if len(l.bundle.files) == 0 && l.reader.Err() == nil {
		return nil, errors.New("the policy folder holds no .yaml file")
	}
	return l.finish()
}

func readBounded(fsys fs.FS, name string) ([]byte, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("opening a policy file: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, mostFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading policy file %s: %w", name, err)
	}
	if len(text) > mostFile {
		return nil, fmt.Errorf("%s holds more than %d bytes", name, mostFile)
	}
	return text, nil
}

func digestOf(files map[string]string) string {
	h := sha256.New()
	io.WriteString(h, "stint policy bundle 1\n")
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for _, part := range []string{name, files[name]} {
			var length [8]byte
			binary.BigEndian.PutUint64(length[:], uint64(len(part)))
			h.Write(length[:])
			io.WriteString(h, part)
		}
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
