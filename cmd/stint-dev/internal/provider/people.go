package provider

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/server"
	"github.com/dexidp/dex/storage"
)

// User is one person who can sign in.
type User struct {
	Name  string // shown, and enough to sign in with
	Email string
	// Subject is the identity behind the subject claim; it never changes.
	Subject string
	// Password is a random one: it is compared as it is, without a slow hash.
	Password string
	Groups   []string
}

// people is the one connector of the provider: the people it was given.
type people []User

var (
	_ connector.PasswordConnector = people(nil)
	_ connector.RefreshConnector  = people(nil)
)

const (
	peopleConnector = "people"
	connectorID     = "local"
)

// SubjectOf is the subject claim of a user's tokens: dex writes user and connector
// as a protocol buffer, each a string behind its tag and length.
func SubjectOf(user User) string {
	var message []byte
	for tag, text := range []string{user.Subject, connectorID} {
		message = append(message, byte(tag+1)<<3|2, byte(len(text)))
		message = append(message, text...)
	}
	return base64.RawURLEncoding.EncodeToString(message)
}

// dex opens a connector by its type, from this map of its own.
func init() {
	server.ConnectorsConfig[peopleConnector] = func() server.ConnectorConfig { return new(people) }
}

// asConnector makes what dex opens the people from again.
func (p people) asConnector() (storage.Connector, error) {
	for _, user := range p {
		if strings.Contains(user.Name, "@") || !strings.Contains(user.Email, "@") {
			return storage.Connector{}, fmt.Errorf("user %q with e-mail %q: a name has no @, an e-mail address has", user.Name, user.Email)
		}
		if user.Password == "" {
			return storage.Connector{}, fmt.Errorf("user %q has no password", user.Name)
		}
	}
	config, err := json.Marshal(p)
	// The id is part of every subject: with another one everybody is a stranger.
	return storage.Connector{ID: connectorID, Type: peopleConnector, Name: "password", Config: config}, err
}

// Open makes the connector of its configuration, which it is itself.
func (p people) Open(string, *slog.Logger) (connector.Connector, error) { return p, nil }

// Prompt names what people sign in with.
func (people) Prompt() string { return "Name" }

// Login lets people in by name or e-mail address.
func (p people) Login(_ context.Context, _ connector.Scopes, login, password string) (connector.Identity, bool, error) {
	for _, user := range p {
		if strings.EqualFold(user.Name, login) || strings.EqualFold(user.Email, login) {
			right := subtle.ConstantTimeCompare([]byte(user.Password), []byte(password)) == 1
			return user.identity(), right, nil
		}
	}
	return connector.Identity{}, false, nil
}

// Refresh says who somebody is now.
func (p people) Refresh(_ context.Context, _ connector.Scopes, before connector.Identity) (connector.Identity, error) {
	for _, user := range p {
		if user.Subject == before.UserID {
			return user.identity(), nil
		}
	}
	return connector.Identity{}, errors.New("there is no such person any more")
}

func (u User) identity() connector.Identity {
	return connector.Identity{
		UserID: u.Subject, Username: u.Name, PreferredUsername: u.Name,
		Email: u.Email, EmailVerified: true, Groups: u.Groups,
	}
}
