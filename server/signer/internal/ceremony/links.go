package ceremony

import (
	"bytes"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"stint/policies"
	"stint/server/border"
)

// Link is one person's way into the ceremony. Whoever has it can join in the
// person's name: it is a secret.
type Link struct {
	Person policies.Subject `json:"person"`
	Name   string           `json:"name"`
	URL    string           `json:"url"`
}

// secretSize is 20 bytes, 32 letters: 160 bits that nobody guesses.
const secretSize = 20

var secretEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// openLinks reads the links of an earlier start and makes those that are missing.
func openLinks(config Config) (links []Link, err error) {
	kept, err := readLinks(config.LinksFile)
	if err != nil {
		return nil, fmt.Errorf("reading the links of the ceremony in %s: %w; remove the file, and new ones are made", config.LinksFile, err)
	}
	for _, person := range config.People {
		if config.Joined(person.Subject) {
			continue
		}
		link := Link{Person: person.Subject, Name: person.Name}
		i := slices.IndexFunc(kept, func(l Link) bool { return l.Person == person.Subject })
		if i >= 0 && ours(kept[i].URL, config.Origin) {
			link.URL = kept[i].URL
		} else {
			secret := make([]byte, secretSize)
			if _, err := io.ReadFull(config.Random, secret); err != nil {
				return nil, fmt.Errorf("drawing random bytes: %w", err)
			}
			link.URL = config.Origin + "/#" + secretEncoding.EncodeToString(secret)
		}
		links = append(links, link)
	}
	return links, nil
}

// ours tells whether a link leads to this origin with a secret as we make them.
func ours(link, origin string) bool {
	secret, here := strings.CutPrefix(link, origin+"/#")
	decoded, err := secretEncoding.DecodeString(secret)
	// The decoder passes over line breaks, so what it has read is compared.
	return here && err == nil && len(decoded) == secretSize && secretEncoding.EncodeToString(decoded) == secret
}

func readLinks(path string) ([]Link, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var links []Link
	if err := border.DecodeStrict(data, &links); err != nil {
		return nil, err
	}
	return links, nil
}

// keepLinks writes the links for their owner alone, and no file where there are
// none. The file appears whole or not at all.
func keepLinks(path string, links []Link) (err error) {
	if len(links) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the links of the ceremony: %w", err)
		}
		return nil
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(links); err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(path), ".ceremony-*") // 0600
	if err != nil {
		return fmt.Errorf("writing the links of the ceremony: %w", err)
	}
	_, err = next.Write(text.Bytes())
	if err = errors.Join(err, next.Sync(), next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the links of the ceremony: %w", err), os.Remove(next.Name()))
	}
	return nil
}
