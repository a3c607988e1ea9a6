// Package bundle holds the default policies: those of a company with production hosts,
// databases and keys, people on call, contractors and auditors, and the text that
// describes targets. It is data, with comments that teach; package policies gives it its
// meaning, and the cases in tests/ say what it comes to.
//
// The roles give the login LOGIN, which Write replaces: which logins there are
// is the installation's to say. Targets are not among the files, for the same
// reason.
package bundle

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Files holds the default documents, without targets.
//
//go:embed *.yaml
var Files embed.FS

// later are the files of the roles that need more than a new installation has: a source of
// asserted facts, and passkeys of a listed make.
var later = []string{"asserted.yaml", "attested.yaml"}

// Placeholder is the login that stands in the default roles.
const Placeholder = "LOGIN"

// Target is one host to put into the policy.
type Target struct {
	Name    string            // as people type it
	Address string            // host:port
	HostKey string            // type and base64, as the first two fields of ssh_host_ed25519_key.pub
	Labels  map[string]string // what roles select by
}

// Recordings are the age recipients for whom recordings are sealed, as
// policies.Recordings has them.
type Recordings struct {
	Recipients, First, Second []string
}

// Write returns the text of every file of a policy folder, by name: the default
// documents with login in the place of Placeholder, the quorum given (see
// policies.Organization) and the keys of recordings, and targets.yaml. Left out is what needs more than a new
// installation has: the roles that look at asserted facts or ask for attested passkeys, and
// the list of makes, for which browsers would ask everybody about their key. It does not check what it is given;
// loading the policy does. It fails if a default document holds Placeholder in a
// form that it does not replace.
func Write(login string, quorum int, recordings Recordings, targets []Target) (map[string]string, error) {
	names, err := fs.Glob(Files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("listing the default policies: %w", err)
	}
	files := map[string]string{}
	for _, name := range names {
		if slices.Contains(later, name) {
			continue
		}
		text, err := fs.ReadFile(Files, name)
		if err != nil {
			return nil, fmt.Errorf("reading the default policies: %w", err)
		}
		filled, err := fill(string(text), login)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files[name] = makes.ReplaceAllString(quorumLine.ReplaceAllString(filled, fmt.Sprintf("quorum: %d", quorum)), "")
	}
	files["organization.yaml"] += fmt.Sprintf(`
# For whom recordings are sealed: the public keys of age. The first open everything but
# what was typed; that takes one key of each side of the input's reviewers.
recordings:
  recipients: [%s]
  input:
    first: [%s]
    second: [%s]
`, strings.Join(recordings.Recipients, ", "), strings.Join(recordings.First, ", "), strings.Join(recordings.Second, ", "))
	var documents []string
	for _, t := range targets {
		var text strings.Builder
		fmt.Fprintf(&text, "kind: Target\nname: %s\naddress: %s\nhostKey: %s\nlabels:\n", quote(t.Name), quote(t.Address), quote(t.HostKey))
		for _, key := range slices.Sorted(maps.Keys(t.Labels)) {
			fmt.Fprintf(&text, "  %s: %s\n", quote(key), quote(t.Labels[key]))
		}
		documents = append(documents, text.String())
	}
	files["targets.yaml"] = "# Where access can lead. A host's address and key stand here so that nobody can\n# redirect or relabel it without a change of the policy.\n" + strings.Join(documents, "---\n")
	return files, nil
}

var (
	placeholderList = "[" + Placeholder + "]"
	quorumLine      = regexp.MustCompile(`(?m)^quorum: \d+$`)
	// makes is the last part of the organization, with the remark above it.
	makes           = regexp.MustCompile(`(?m)(^#.*\n)+^attestation:\n(^ .*\n)+`)
	placeholderWord = regexp.MustCompile(`\b` + Placeholder + `\b`)
)

// fill puts login in the place of Placeholder. A Placeholder that stands
// otherwise than alone in brackets is an error: left as it is, it would be a
// login that nobody has, or worse, one that somebody has.
func fill(text, login string) (string, error) {
	parts := strings.Split(text, placeholderList)
	for _, part := range parts { // not what they become: the login may be this very word
		if placeholderWord.MatchString(part) {
			return "", fmt.Errorf("%s stands where it is not replaced; write %s", Placeholder, placeholderList)
		}
	}
	return strings.Join(parts, "["+quote(login)+"]"), nil
}

// quote writes a string as YAML in double quotation marks, of which JSON's are a
// subset.
func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil { // no string makes it
		panic(err)
	}
	return string(quoted)
}
