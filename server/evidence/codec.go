package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// MostStatement bounds the text of a statement, in bytes.
const MostStatement = 96 << 10

// version is of the statement format; it is the third word of the first line.
const version = "1"

// Encode writes a statement as its one canonical text. It refuses values that
// the format has no form for, such as a reason with a control character, a time
// with a fraction of a second or a name that is too long; the error names the
// field.
func Encode(s Statement) (string, error) {
	c := &codec{}
	s.walk(c)
	if c.err != nil {
		return "", fmt.Errorf("writing a statement of kind %s: %w", s.Kind(), c.err)
	}
	text := header(s.Kind()) + "\n" + c.written.String()
	if len(text) > MostStatement {
		return "", fmt.Errorf("a statement of kind %s would take %d bytes; at most %d fit", s.Kind(), len(text), MostStatement)
	}
	return text, nil
}

// Decode reads a statement and refuses every text that Encode would not have
// written, byte for byte. The result is a pointer, such as *Request.
func Decode(text string) (Statement, error) {
	if len(text) > MostStatement {
		return nil, fmt.Errorf("a statement takes at most %d bytes", MostStatement)
	}
	first, rest, found := strings.Cut(text, "\n")
	if !found || rest != "" && !strings.HasSuffix(rest, "\n") {
		return nil, errors.New("a statement is lines, each with a line feed at its end")
	}
	s := blank(first)
	if s == nil {
		return nil, fmt.Errorf("%.60q is not the first line of a statement that this version knows", first)
	}
	c := &codec{decoding: true, rest: rest}
	s.walk(c)
	if c.err == nil && c.rest != "" {
		c.err = errors.New("there is more after the last field")
	}
	if c.err != nil {
		return nil, fmt.Errorf("reading a statement of kind %s: %w", s.Kind(), c.err)
	}
	// Every form refuses what it would not write. That the whole is canonical
	// must not hang on each of them being right.
	if again, err := Encode(s); err != nil || again != text {
		return nil, fmt.Errorf("this statement of kind %s is not in its canonical form", s.Kind())
	}
	return s, nil
}

// DecodeAs reads a statement of one kind, as in DecodeAs[*Request](text), and
// refuses all others.
func DecodeAs[T Statement](text string) (T, error) {
	var none T
	s, err := Decode(text)
	if err != nil {
		return none, err
	}
	wanted, ok := s.(T)
	if !ok {
		return none, fmt.Errorf("a statement of kind %s was given where one of kind %s is needed", s.Kind(), none.Kind())
	}
	return wanted, nil
}

// Digest names a statement's text: "sha256:" and 64 hex digits.
func Digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Challenge is what a passkey signs for a statement: the SHA-256 of its text.
func Challenge(text string) [32]byte { return sha256.Sum256([]byte(text)) }

func header(k Kind) string { return "stint " + string(k) + " " + version }

// blank is an empty statement of the kind that a first line names, or nil.
func blank(first string) Statement {
	for _, s := range []Statement{
		new(Request), new(Approval), new(Confirmation), new(Activation), new(Login), new(Enrolment),
		new(RosterChange), new(PolicyChange), new(InventoryChange), new(Succession), new(Device), new(Posture), new(End),
		new(Delegation), new(Review), new(Presence),
	} {
		if first == header(s.Kind()) {
			return s
		}
	}
	return nil
}

// codec carries one walk over the fields of a statement, in either direction.
// The first fault ends it; the calls after it do nothing.
type codec struct {
	decoding bool
	rest     string          // what is still to be read
	written  strings.Builder // what was written
	err      error
}

// form is how values of one type stand behind a field's name.
type form[T any] struct {
	// write gives the text of a value, or an error where writing would lose
	// something.
	write func(T) (string, error)
	// read gives the value of a text, and refuses what is out of bounds.
	read func(string) (T, error)
}

// field writes or reads one line, "name: value".
func field[T any](c *codec, name string, value *T, f form[T]) {
	if c.err != nil {
		return
	}
	var err error
	if c.decoding {
		err = c.readField(name, func(text string) error {
			v, err := f.read(text)
			if err != nil {
				return err
			}
			if again, err := f.write(v); err != nil || again != text {
				return errors.New("it is not in its canonical form")
			}
			*value = v
			return nil
		})
	} else {
		var text string
		if text, err = f.write(*value); err == nil {
			// What could not be read back must not be written.
			_, err = f.read(text)
		}
		c.written.WriteString(name + ": " + text + "\n")
	}
	if err != nil {
		c.err = fmt.Errorf("field %q: %w", name, err)
	}
}

func (c *codec) readField(name string, read func(string) error) error {
	line, rest, found := strings.Cut(c.rest, "\n")
	text, named := strings.CutPrefix(line, name+": ")
	if !found || !named {
		return fmt.Errorf("it is missing, or not in its place")
	}
	c.rest = rest
	return read(text)
}
