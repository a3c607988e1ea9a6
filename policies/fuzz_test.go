package policies

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// FuzzKeys: a key that a policy may name is one line of a type and its base64, in one
// spelling, and others who read it find the same key.
func FuzzKeys(f *testing.F) {
	f.Fuzz(func(t *testing.T, line string) {
		host, inventory := checkHostKey(line), checkInventoryKey(line)
		if host != nil && inventory != nil {
			return
		}
		if inventory == nil && host != nil {
			t.Errorf("%q signs inventories and is no host's: %v", line, host)
		}
		kind, encoded, _ := strings.Cut(line, " ")
		blob, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if err != nil || kind+" "+base64.StdEncoding.EncodeToString(blob) != line {
			t.Fatalf("%q has another spelling", line)
		}
		key, comment, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
		if err == nil && (key.Type() != kind || !bytes.Equal(key.Marshal(), blob) || comment != "" || len(options)+len(rest) > 0) {
			t.Errorf("%q is another key to others: %s, %q", line, key.Type(), comment)
		}
	})
}
