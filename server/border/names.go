package border

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// ErrTwice is what [CheckNames] returns when an object holds a name twice.
var ErrTwice = errors.New("a name stands twice in an object")

// CheckNames refuses JSON in which an object holds the same name twice: one reader
// would take the first value and another the last. It says nothing of data that is
// not JSON; decoding does.
func CheckNames(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	type level struct {
		names map[string]bool // nil in an array
		value bool            // what comes next in an object is a value
	}
	var levels []level
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		top := len(levels) - 1
		if name, ok := token.(string); ok && top >= 0 && levels[top].names != nil && !levels[top].value {
			if levels[top].names[name] {
				return ErrTwice
			}
			levels[top].names[name], levels[top].value = true, true
			continue
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{names: map[string]bool{}})
			continue
		case json.Delim('['):
			levels = append(levels, level{})
			continue
		case json.Delim('}'), json.Delim(']'):
			levels, top = levels[:top], top-1
		}
		if top >= 0 {
			levels[top].value = false
		}
	}
}
