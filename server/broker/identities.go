package broker

import (
	"fmt"
	"os"

	"stint/recorder/cast"
)

// identities reads the keys of recordings. Without any, recordings are kept and proven
// all the same, and not opened.
func (r Recordings) identities() (cast.Opener, error) {
	var all []cast.Identity
	for _, path := range r.Identities {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("recordings.identities: %w", err)
		}
		of, err := cast.ParseIdentities(file)
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("recordings.identities: %s: %w; make one with age-keygen", path, err)
		}
		all = append(all, of...)
	}
	return cast.With(all...), nil
}
