package evidence

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"stint/policies"
)

// Bounds of single fields.
const (
	mostRevision   = 1_000_000
	mostCounter    = 1<<53 - 1 // what every JSON reader holds exactly
	mostListed     = 64
	mostCredential = 1023 // bytes (Web Authentication Level 3, section 4)
	mostPublicKey  = 2048 // bytes

	// MostTicket bounds a ticket, in characters.
	MostTicket = 200
)

// The forms of the format. Each is described in docs/formats/evidence.md.
var (
	nameForm    = bare(policies.CheckName)
	loginForm   = bare(policies.CheckLogin)
	requestForm = bare(CheckRequest)
	digestForm  = bare(matching(`^sha256:[0-9a-f]{64}$`, `a digest: "sha256:" and 64 small hex digits`))
	hexForm     = bare(matching(`^[0-9a-f]{32}$`, "32 small hex digits"))
	sessionForm = bare(CheckSession)
	keyForm     = bare(func(text string) error { _, err := ParseKey(text); return err })
	// A name of its own for what certifies keys, devices included.
	authorityKeyForm = bare(func(text string) error { _, err := ParseAuthorityKey(text); return err })
	credentialForm   = bare(encoded(mostCredential))
	publicKeyForm    = bare(encoded(mostPublicKey))

	reasonForm = quoted(func(text string) error { return policies.CheckText(text, policies.MostReason) })
	ticketForm = quoted(func(text string) error { return policies.CheckText(text, MostTicket) })
	personForm = quoted(checkPersonName)
	// A finding is a reason that must be there.
	findingForm = quoted(func(text string) error {
		if strings.TrimSpace(text) == "" {
			return errors.New("it must not be empty")
		}
		return policies.CheckText(text, policies.MostReason)
	})
	emailForm = quoted(func(text string) error { return policies.CheckText(text, policies.MostName) })

	subjectForm = form[policies.Subject]{
		write: func(s policies.Subject) (string, error) { return s.String(), nil },
		read:  policies.ParseSubject,
	}
	numberForm = form[int]{
		write: func(n int) (string, error) { return strconv.Itoa(n), nil },
		read: func(text string) (int, error) {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 || n > mostRevision {
				return 0, fmt.Errorf("it must be a whole number from 1 to %d", mostRevision)
			}
			return n, nil
		},
	}
	durationForm = form[time.Duration]{
		write: func(d time.Duration) (string, error) {
			if d%time.Second != 0 {
				return "", errors.New("it must be whole seconds")
			}
			return policies.FormatDuration(d), nil
		},
		read: func(text string) (time.Duration, error) {
			d, err := policies.ParseDuration(text)
			if err == nil && d == 0 {
				err = errors.New("it must be at least a second")
			}
			return d, err
		},
	}
	timeForm = form[time.Time]{
		write: func(t time.Time) (string, error) {
			if t.Nanosecond() != 0 {
				return "", errors.New("it must be whole seconds; truncate it")
			}
			return t.UTC().Format(timeLayout), nil
		},
		read: func(text string) (time.Time, error) {
			t, err := time.Parse(timeLayout, text)
			if err != nil || t.Year() < 2000 {
				return time.Time{}, errors.New("it must be a time in UTC from the year 2000 on, such as 2026-03-04T05:06:07Z")
			}
			return t, nil
		},
	}
	counterForm = form[int64]{
		write: func(n int64) (string, error) { return strconv.FormatInt(n, 10), nil },
		read: func(text string) (int64, error) {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n < 1 || n > mostCounter {
				return 0, fmt.Errorf("it must be a whole number from 1 to %d", int64(mostCounter))
			}
			return n, nil
		},
	}

	optionalSubjectForm = absent(subjectForm)
	optionalTimeForm    = absent(timeForm)
	optionalPersonForm  = quoted(func(text string) error {
		if text == "" {
			return nil
		}
		return checkPersonName(text)
	})
	yesForm = form[bool]{
		write: func(yes bool) (string, error) {
			if yes {
				return "yes", nil
			}
			return "no", nil
		},
		read: func(text string) (bool, error) {
			if text != "yes" && text != "no" {
				return false, errors.New("it must be yes or no")
			}
			return text == "yes", nil
		},
	}

	groupsForm      = set("groups", policies.CheckGroup)
	credentialsForm = set("credentials", encoded(mostCredential))
	textsForm       = list("texts", checkDifference)
)

// timeLayout is RFC 3339 in UTC, with whole seconds.
const timeLayout = "2006-01-02T15:04:05Z"

// bare is a text that stands as it is; check decides what it may be, and must
// refuse line feeds.
func bare(check func(string) error) form[string] {
	return form[string]{
		write: func(text string) (string, error) { return text, nil },
		read:  func(text string) (string, error) { return text, check(text) },
	}
}

// CheckRequest refuses what cannot be the id of a request. It is the one place
// that says what those ids are, in statements, certificates and calls alike.
func CheckRequest(id string) error { return checkRequest(id) }

var checkRequest = matching(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`, "an id: 1 to 64 letters, digits, hyphens and underscores")

// CheckSession refuses what cannot be a proxy's id of a session.
func CheckSession(id string) error { return checkSession(id) }

var checkSession = matching(`^[A-Za-z0-9_-]{16,64}$`, "a session's id: 16 to 64 letters, digits, hyphens and underscores")

func matching(pattern, what string) func(string) error {
	re := regexp.MustCompile(pattern)
	return func(text string) error {
		if !re.MatchString(text) {
			return errors.New("it must be " + what)
		}
		return nil
	}
}

// encoded refuses what is not base64url, without padding and with its last bits
// zero (RFC 4648, section 5), of 1 to most bytes.
func encoded(most int) func(string) error {
	return func(text string) error {
		if data, err := fromBase64(text); err != nil || len(data) == 0 || len(data) > most {
			return fmt.Errorf("it must be 1 to %d bytes in base64url without padding", most)
		}
		return nil
	}
}

// fromBase64 reads base64url without padding, in its one spelling.
func fromBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") { // which the library would skip
		return nil, errors.New("a line break in base64url")
	}
	return base64.RawURLEncoding.Strict().DecodeString(text)
}

func toBase64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// checkPersonName wants something to be seen.
func checkPersonName(text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("it must not be empty")
	}
	return policies.CheckText(text, policies.MostName)
}

// quoted is free text between quotation marks; a quotation mark in it, and a
// backslash, stand behind a backslash, and nothing else is escaped.
func quoted(check func(string) error) form[string] {
	return form[string]{
		write: func(text string) (string, error) { return quote(text), nil },
		read: func(text string) (string, error) {
			value, rest, err := unquote(text)
			if err == nil && rest != "" {
				err = errors.New("there is more after the closing quotation mark")
			}
			if err == nil {
				err = check(value)
			}
			return value, err
		},
	}
}

func quote(text string) string { return `"` + escaper.Replace(text) + `"` }

var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// unquote reads one quoted text from the front.
func unquote(text string) (value, rest string, err error) {
	if !strings.HasPrefix(text, `"`) {
		return "", "", errors.New("it must stand between quotation marks")
	}
	var out strings.Builder
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return out.String(), text[i+1:], nil
		case '\\':
			if i++; i == len(text) || text[i] != '"' && text[i] != '\\' {
				return "", "", errors.New(`only a quotation mark and a backslash stand behind a backslash`)
			}
		}
		out.WriteByte(text[i])
	}
	return "", "", errors.New("its closing quotation mark is missing")
}

// nothing stands for an empty list; being bare, it is no member of one.
const nothing = "none"

// optional is a bare text, or nothing where it is empty. A text that reads as
// nothing has no form.
func optional(f form[string]) form[string] {
	return form[string]{
		write: func(text string) (string, error) {
			switch text {
			case "":
				return nothing, nil
			case nothing:
				return "", errors.New("it stands for nothing")
			}
			return f.write(text)
		},
		read: func(text string) (string, error) {
			if text == nothing {
				return "", nil
			}
			return f.read(text)
		},
	}
}

// absent is a value that is written bare, or nothing where it is zero.
func absent[T comparable](f form[T]) form[T] {
	var zero T
	return form[T]{
		write: func(value T) (string, error) {
			if value == zero {
				return nothing, nil
			}
			return f.write(value)
		},
		read: func(text string) (T, error) {
			if text == nothing {
				return zero, nil
			}
			return f.read(text)
		},
	}
}

// list is up to mostListed quoted texts, in an order that says something.
func list(what string, check func(string) error) form[[]string] {
	return form[[]string]{
		write: func(members []string) (string, error) {
			if len(members) == 0 {
				return nothing, nil
			}
			var all []string
			for _, m := range members {
				all = append(all, quote(m))
			}
			return strings.Join(all, ", "), nil
		},
		read: func(text string) ([]string, error) { return readList(text, what, check) },
	}
}

// set is a list whose order says nothing: sorted, each member once.
func set(what string, check func(string) error) form[[]string] {
	f := list(what, check)
	read := f.read
	f.read = func(text string) ([]string, error) {
		members, err := read(text)
		if err == nil && (!slices.IsSorted(members) || len(slices.Compact(slices.Clone(members))) != len(members)) {
			return nil, fmt.Errorf("%s must be sorted by their bytes and distinct", what)
		}
		return members, err
	}
	return f
}

func readList(text, what string, check func(string) error) ([]string, error) {
	if text == nothing {
		return nil, nil
	}
	var members []string
	for {
		member, rest, err := unquote(text)
		if err != nil {
			return nil, err
		}
		if err := check(member); err != nil {
			return nil, err
		}
		members = append(members, member)
		if rest == "" {
			return members, nil
		}
		var more bool
		if text, more = strings.CutPrefix(rest, ", "); !more || len(members) == mostListed {
			return nil, fmt.Errorf("%s are separated by a comma and a space, and there are at most %d", what, mostListed)
		}
	}
}

// checkDifference wants a sentence of what policies.Difference makes.
func checkDifference(text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("it must not be empty")
	}
	return policies.CheckText(text, policies.MostDifference)
}

// word is one of a few words that stand as they are.
func word(words ...string) form[string] {
	return bare(func(text string) error {
		if !slices.Contains(words, text) {
			return fmt.Errorf("it must be one of %s", strings.Join(words, ", "))
		}
		return nil
	})
}
