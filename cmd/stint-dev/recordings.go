package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/age"

	"stint/cmd/stint-dev/internal/installation"
)

// Files of the keys of recordings. The broker gets the first; the others lie there for
// whoever tries out how two reviewers open what was typed.
const (
	playbackKey       = "playback.txt"
	firstReviewerKey  = "reviewer-first.txt"
	secondReviewerKey = "reviewer-second.txt"
)

// openRecordingKeys reads the keys of recordings, and makes those that are not there.
func (w *world) openRecordingKeys() error {
	if err := os.MkdirAll(w.path("keys"), 0o700); err != nil {
		return err
	}
	for _, key := range []struct {
		name string
		into *[]string
	}{
		{playbackKey, &w.recordings.Recipients},
		{firstReviewerKey, &w.recordings.First},
		{secondReviewerKey, &w.recordings.Second},
	} {
		recipient, err := openIdentity(w.path("keys", key.name))
		if err != nil {
			return fmt.Errorf("the keys of recordings: %w", err)
		}
		*key.into = []string{recipient}
	}
	return nil
}

// openIdentity returns the recipient of the age identity in a file.
func openIdentity(path string) (string, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		identity, err := age.GenerateX25519Identity()
		if err != nil {
			return "", err
		}
		text := fmt.Sprintf("# public key: %s\n%s\n", identity.Recipient(), identity)
		return identity.Recipient().String(), installation.WriteFile(path, []byte(text))
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	of, err := age.ParseIdentities(file)
	if err != nil || len(of) != 1 {
		return "", fmt.Errorf("%s holds no single age identity", filepath.Base(path))
	}
	identity, ok := of[0].(*age.X25519Identity)
	if !ok {
		return "", fmt.Errorf("%s holds another kind of age identity than was made", filepath.Base(path))
	}
	return identity.Recipient().String(), nil
}
