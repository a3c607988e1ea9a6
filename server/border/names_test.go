package border

import (
	"encoding/json"
	"errors"
	"testing"
)

func TestCheckNames(t *testing.T) {
	t.Parallel()
	for text, twice := range map[string]bool{
		`{}`: false, `[]`: false, `"a"`: false, `null`: false,
		`{"a":1,"b":{"a":"b","b":["a","a",{"a":1}]},"c":{}}`: false,
		`{"a":"a","b":"a"}`:                             false,
		`[{"a":1},{"a":1}]`:                             false,
		`{"a":[],"a":1}`:                                true,
		`{"a":{"b":[{"c":1,"d":"c","c":2}]}}`:           true,
		`{"a":{},"b":{},"a":{}}`:                        true,
		"{\"a\":1,\"\\u0061\":1}":                       true,
		`{"a":{"x":1,"y":[1,{"x":1}],"z":"x"},"b":"a"}`: false,
	} {
		if err := CheckNames([]byte(text)); errors.Is(err, ErrTwice) != twice {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzCheckNames: it ends, and what it lets pass decodes to what a second encoding
// decodes to.
func FuzzCheckNames(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		var value any
		if CheckNames(data) != nil || json.Unmarshal(data, &value) != nil {
			return
		}
		again, err := json.Marshal(value)
		if err != nil || CheckNames(again) != nil {
			t.Fatalf("%q becomes %q: %v", data, again, err)
		}
	})
}
