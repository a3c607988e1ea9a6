package evidence

import (
	"fmt"
	"slices"
)

// mostSuccessions bounds a chain: centuries of weekly keys are not needed.
const mostSuccessions = 4096

// FollowSuccessions returns the trusted keys for a purpose, and every key that one
// of them, or one that follows from them, has named as its successor. Statements
// may be of other chains, which prove nothing here. One that cannot be read, is for
// another purpose, or is not signed by the key that it names, although that one
// counts, is an error: whoever hands it over tampers.
func FollowSuccessions(purpose string, trusted []string, successions []SignedByKey) ([]string, error) {
	if len(successions) > mostSuccessions {
		return nil, fmt.Errorf("there are %d statements on the succession of keys; at most %d are read", len(successions), mostSuccessions)
	}
	// 1. Every one of them reads, and is about such a key.
	waiting := make([]succession, 0, len(successions))
	for _, signed := range successions {
		statement, err := DecodeAs[*Succession](signed.Statement)
		if err != nil {
			return nil, err
		}
		if statement.Purpose != purpose {
			return nil, fmt.Errorf("a succession is of a key for %s, not for %s", statement.Purpose, purpose)
		}
		waiting = append(waiting, succession{signed, statement})
	}
	// 2. From what is trusted, as far as it leads. They mostly come in their order,
	// so that one round is enough; each signature is checked once.
	reached := slices.Clone(trusted)
	for {
		before := len(waiting)
		var left []succession
		for _, s := range waiting {
			if !slices.Contains(reached, s.statement.Predecessor) {
				left = append(left, s)
				continue
			}
			if !VerifySuccession(s.signed) {
				return nil, fmt.Errorf("the key %s is not named by its predecessor: the signature does not fit", s.statement.Key)
			}
			if !slices.Contains(reached, s.statement.Key) {
				reached = append(reached, s.statement.Key)
			}
		}
		if waiting = left; len(waiting) == before || len(waiting) == 0 {
			return reached, nil
		}
	}
}

type succession struct {
	signed    SignedByKey
	statement *Succession
}
