package border

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

type value struct {
	Request string `json:"request"`
	Inner   struct {
		Count int `json:"count"`
	} `json:"inner"`
}

func TestDecodeStrict(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		`{"request":"r1","inner":{"count":1}}`: nil,
		" {}\n\t":                              nil,
		`null`:                                 nil,
		`{}{}`:                                 ErrFollowed,
		`{} x`:                                 ErrFollowed,
		`{},`:                                  ErrFollowed,
		"{}\x00":                               ErrFollowed,
	} {
		if err := DecodeStrict([]byte(text), &value{}); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
	for _, text := range []string{
		``, ` `, `{`, `{"request":1}`, `[]`, `{"more":1}`, `{"inner":{"more":1}}`, `{"request":"r1"`,
	} {
		if err := DecodeStrict([]byte(text), &value{}); err == nil || errors.Is(err, ErrFollowed) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestReadAtMost(t *testing.T) {
	t.Parallel()
	for text, fits := range map[string]bool{"": true, "1234": true, "12345": false, strings.Repeat("1", 1000): false} {
		data, err := ReadAtMost(strings.NewReader(text), 4)
		if fits && (err != nil || string(data) != text) || !fits && (!errors.Is(err, ErrTooLong) || data != nil) {
			t.Errorf("%d bytes: %q, %v", len(text), data, err)
		}
	}
	broken := errors.New("broken")
	if data, err := ReadAtMost(iotest.ErrReader(broken), 4); !errors.Is(err, broken) || data != nil {
		t.Errorf("a reader that breaks: %q, %v", data, err)
	}
}

func FuzzDecodeStrict(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		var once, twice value
		if DecodeStrict(data, &once) != nil {
			return
		}
		if DecodeStrict(append([]byte(" "), data...), &twice) != nil || once != twice {
			t.Fatal("a leading space changes the meaning")
		}
		if DecodeStrict(append(append([]byte{}, data...), '1'), &twice) == nil {
			t.Fatal("something that follows was accepted")
		}
	})
}
