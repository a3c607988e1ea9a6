package signer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"stint/policies"
	"stint/server/border"
	"stint/server/evidence"
)

// A bootstrapCode lets the first people into the roster, before anybody is there
// whose passkey could. It works once; the ledger knows which are used.
type bootstrapCode struct {
	ID     string   `json:"id"`
	Code   string   `json:"code"`
	Groups []string `json:"groups"` // what an enrolment under it may grant at most
}

// minCode is the shortest code, in letters and digits: 26 of base32 are 128 bits.
// The broker sees an HMAC under the code and could try codes on it.
const minCode = 26

// bootstrap reads the codes from the configuration's file, afresh each time. A
// file that is gone holds no codes.
type bootstrap struct{ path string }

func (b bootstrap) codes() ([]bootstrapCode, error) {
	if b.path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the bootstrap codes: %w", err)
	}
	var codes []bootstrapCode
	if err := border.DecodeStrict(data, &codes); err != nil {
		return nil, fmt.Errorf("the bootstrap codes in %s: %w", b.path, err)
	}
	var ids []string
	for _, code := range codes {
		if !namePattern.MatchString(code.ID) || slices.Contains(ids, code.ID) {
			return nil, fmt.Errorf("the bootstrap codes in %s: the id %q is not a name, or there twice", b.path, code.ID)
		}
		ids = append(ids, code.ID)
		if letters(code.Code) < minCode {
			return nil, fmt.Errorf("the bootstrap codes in %s: the code %q is too short to keep guessing out", b.path, code.ID)
		}
	}
	return codes, nil
}

func letters(code string) (n int) {
	for _, r := range code {
		if r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			n++
		}
	}
	return n
}

// unused hands package evidence the codes that the ledger does not hold as used.
func unused(codes []bootstrapCode, used map[string]bool) evidence.Codes {
	codes = slices.DeleteFunc(slices.Clone(codes), func(code bootstrapCode) bool { return used[code.ID] })
	return func(id string) (secret []byte, groups []string, ok bool) {
		for _, code := range codes {
			if code.ID == id {
				return evidence.BootstrapSecret(code.Code), code.Groups, true
			}
		}
		return nil, nil, false
	}
}

// openCode says whether a code that makes an administrator is still unused.
func openCode(codes []bootstrapCode, used map[string]bool) bool {
	return slices.ContainsFunc(codes, func(code bootstrapCode) bool {
		return !used[code.ID] && slices.Contains(code.Groups, policies.AdministratorsGroup)
	})
}
