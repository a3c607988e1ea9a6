package broker

import (
	"fmt"
	"os"

	"filippo.io/age"

	"stint/recorder/cast"
)

// readIdentities reads the keys of recordings. Without any, recordings are kept and
// proven all the same, and not opened.
func readIdentities(config *Recordings) (cast.Opener, error) {
	var all []age.Identity
	if config != nil {
		for _, path := range config.Identities {
			file, err := os.Open(path)
			if err != nil {
				return nil, fmt.Errorf("recordings.identities: %w", err)
			}
			of, err := age.ParseIdentities(file)
			file.Close()
			if err != nil {
				// What age says may repeat a line, which could be a secret.
				return nil, fmt.Errorf("recordings.identities: %s holds no age identities; make one with age-keygen", path)
			}
			all = append(all, of...)
		}
	}
	return cast.With(all...), nil
}
