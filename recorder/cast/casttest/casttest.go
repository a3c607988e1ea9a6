// Package casttest has keys for the recordings of tests.
package casttest

import (
	"sync"

	"filippo.io/age"

	"stint/recorder/cast"
)

// identities are made once a process: playback's, and one reviewer's of each side.
var identities = sync.OnceValue(func() [3]*age.X25519Identity {
	var made [3]*age.X25519Identity
	for i := range made {
		identity, err := age.GenerateX25519Identity()
		if err != nil {
			panic(err) // randomness never fails
		}
		made[i] = identity
	}
	return made
})

// Session, First and Second are recipients as a policy names them.
func Session() []string { return recipient(0) }

// First is the first side of the reviewers of input.
func First() []string { return recipient(1) }

// Second is their second side.
func Second() []string { return recipient(2) }

func recipient(n int) []string { return []string{identities()[n].Recipient().String()} }

// Recipients are all of them.
func Recipients() cast.Recipients {
	to, err := cast.ParseRecipients(Session(), First(), Second())
	if err != nil {
		panic(err)
	}
	return to
}

// Playback opens what was not typed.
func Playback() cast.Opener { return cast.With(identities()[0]) }

// Everything opens what was typed, too.
func Everything() cast.Opener {
	all := identities()
	return cast.With(all[0], all[1], all[2])
}

// PlaybackFile is the identity of Playback as age-keygen writes it to a file.
func PlaybackFile() []byte { return []byte(identities()[0].String() + "\n") }
