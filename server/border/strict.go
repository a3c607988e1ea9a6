package border

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ErrTooLong is wrapped by what [ReadAtMost] returns when there is more to read
// than is allowed.
var ErrTooLong = errors.New("too long")

// ErrFollowed is what [DecodeStrict] returns when the JSON value is not all.
var ErrFollowed = errors.New("something follows the JSON value")

// ReadAtMost reads all of r, which must not be longer than most bytes. A longer
// one is an error (see [ErrTooLong]), never cut: what is cut may still be valid,
// and mean something else.
func ReadAtMost(r io.Reader, most int) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > most {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLong, most)
	}
	return data, nil
}

// DecodeStrict decodes exactly one JSON value: unknown fields are errors, and so
// is anything that follows (see [ErrFollowed]).
func DecodeStrict(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return ErrFollowed
	}
	return nil
}
