// Package report writes evidence as one HTML file that opens from a disk, with
// no network, and checks itself in the reader's browser: signatures, digests and
// the Merkle tree, with the browser's own cryptography. What needs policy it
// leaves to the command line and says so.
package report

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"stint/cmd/stint/internal/proof"
	"stint/server/api"
)

//go:embed page
var page embed.FS

// scripts make up the page's script, in this order.
var scripts = []string{"bytes.js", "ledger.js", "statement.js", "passkey.js", "keys.js", "device.js", "history.js", "check.js", "show.js", "main.js"}

// Page is the HTML file for evidence, and for the anchor that it is checked by.
//
// The page may run its own script and nothing else: the content security policy
// names the script by its hash. The evidence stands in it as data, in which the
// encoding leaves no character that HTML would act on.
func Page(file api.Evidence, anchor proof.Anchor) ([]byte, error) {
	var script strings.Builder
	script.WriteString("\"use strict\";\n")
	for _, name := range scripts {
		script.WriteString(read(name))
	}
	style := read("page.css")
	// What is absent is an empty list there: the page takes nothing else for one.
	file.Entries, file.Certificates = append([]api.ProvenEntry{}, file.Entries...), append([]string{}, file.Certificates...)
	for i := range file.Entries {
		file.Entries[i].Path = append([]string{}, file.Entries[i].Path...)
	}
	evidence, err := json.Marshal(file)
	if err != nil {
		return nil, fmt.Errorf("encoding the evidence: %w", err)
	}
	believed, err := json.Marshal(anchor)
	if err != nil {
		return nil, fmt.Errorf("encoding the anchor: %w", err)
	}
	// One pass: what is put in is not looked through again.
	return []byte(strings.NewReplacer(
		"{{script hash}}", sourceHash(script.String()), "{{style hash}}", sourceHash(style),
		"{{script}}", script.String(), "{{style}}", style,
		"{{anchor}}", string(believed), "{{evidence}}", string(evidence),
	).Replace(read("page.html"))), nil
}

// read is a part of the page. All are embedded: one that is missing is a fault
// of the build.
func read(name string) string {
	text, err := page.ReadFile("page/" + name)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// sourceHash names an inline script or style in a content security policy.
func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

const (
	pageStart     = "<!doctype html>"
	evidenceStart = `<script type="application/json" id="evidence">`
	evidenceEnd   = "</script>"
)

// Evidence finds the JSON of the evidence in a page, and gives everything else
// back as it is.
func Evidence(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, []byte(pageStart)) {
		return data, nil
	}
	_, rest, found := bytes.Cut(data, []byte(evidenceStart))
	text, _, ended := bytes.Cut(rest, []byte(evidenceEnd))
	if !found || !ended || bytes.Contains(rest, []byte(evidenceStart)) {
		return nil, errors.New("the page carries no evidence, or carries it twice")
	}
	return text, nil
}
