package ceremony

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"

	"stint/policies"
	"stint/server/border"
	"stint/server/evidence"
	"stint/server/signer/wire"
)

//go:embed page
var page embed.FS

// Paths of the page's calls: POST with JSON bodies, from the page's own origin.
const (
	PathBegin    = "/begin"
	PathRegister = "/register"
	PathEnrol    = "/enrol"
)

const maxBody = 128 << 10 // an attestation holds certificates

// contentSecurityPolicy lets the page run its own script and style, call its own
// address, and nothing else.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// The bodies of the calls.
type (
	knock struct {
		Secret string `json:"secret"`
	}
	beginning struct {
		Instance     string          `json:"instance"`
		Person       policies.Person `json:"person"`
		Attested     bool            `json:"attested"`
		People       []listed        `json:"people"`
		Options      map[string]any  `json:"options"`
		RelyingParty string          `json:"relying_party"`
	}
	listed struct {
		Name   string   `json:"name"`
		Groups []string `json:"groups"`
		Joined bool     `json:"joined"`
	}
	registration struct {
		Secret     string     `json:"secret"`
		Name       string     `json:"name"` // what its owner calls the passkey
		Credential registered `json:"credential"`
	}
	statementText struct {
		Statement  string `json:"statement"`
		Digest     string `json:"digest"`
		Credential string `json:"credential"`
	}
	signature struct {
		Secret    string             `json:"secret"`
		Assertion evidence.Assertion `json:"assertion"`
	}
	joining struct {
		Portal string   `json:"portal"`
		People []listed `json:"people"`
	}
)

func (c *Ceremony) beginning(person policies.Person, challenge, handle string) beginning {
	return beginning{
		Instance: c.config.Instance, Person: person, Attested: c.config.Attested(person.Groups), People: c.people(),
		Options: c.creationOptions(person, challenge, handle), RelyingParty: c.config.RelyingParty,
	}
}

// Handler serves the page and its calls.
func (c *Ceremony) Handler() http.Handler {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // fs.Sub refuses invalid names only
	}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", http.FileServerFS(files))
	mux.Handle("GET /ceremony.css", http.FileServerFS(files))
	mux.Handle("GET /ceremony.js", http.FileServerFS(files))
	mux.Handle("GET /icon.svg", http.FileServerFS(files))
	mux.Handle("POST "+PathBegin, call(c, PathBegin, func(_ context.Context, in knock) (any, error) { return c.begin(in.Secret) }))
	mux.Handle("POST "+PathRegister, call(c, PathRegister, func(_ context.Context, in registration) (any, error) { return c.register(in) }))
	mux.Handle("POST "+PathEnrol, call(c, PathEnrol, func(ctx context.Context, in signature) (any, error) { return c.enrol(ctx, in) }))
	return c.guarded(mux)
}

// guarded is the frame of every answer. A page elsewhere whose name was made to
// resolve to this address has that name as its host.
func (c *Ceremony) guarded(next http.Handler) http.Handler {
	host := ""
	if origin, err := url.Parse(c.config.Origin); err == nil {
		host = origin.Host
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", contentSecurityPolicy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Permissions-Policy", "publickey-credentials-create=(self), publickey-credentials-get=(self)")
		header.Set("Cache-Control", "no-store")
		switch {
		case r.Host != host:
			c.write(w, http.StatusMisdirectedRequest, wire.ProblemType, refuse(http.StatusMisdirectedRequest, "ceremony-host", "The ceremony is at "+c.config.Origin+"."))
		case r.Method == http.MethodPost && r.Header.Get("Origin") != c.config.Origin:
			c.write(w, http.StatusForbidden, wire.ProblemType, refuse(http.StatusForbidden, "ceremony-origin", "This call must come from the page itself, at "+c.config.Origin+"."))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// call decodes a body, strictly, and answers.
func call[In any](c *Ceremony, path string, act func(context.Context, In) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := func() (any, error) {
			var in In
			if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
				return nil, refuse(http.StatusUnsupportedMediaType, "media-type", "The body of a call is application/json.")
			}
			data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
			if err == nil {
				err = errors.Join(border.CheckNames(data), border.DecodeStrict(data, &in))
			}
			if err != nil {
				return nil, because(refuse(http.StatusBadRequest, "malformed", "The call is not as the page makes it. Load the page again."), err)
			}
			return act(r.Context(), in)
		}()
		if err != nil {
			c.refuse(w, path, err)
			return
		}
		c.write(w, http.StatusOK, "application/json", answer)
	})
}

// refuse answers with a problem, and tells the log the first of its kind. What is
// not a refusal is a fault of the signer's own.
func (c *Ceremony) refuse(w http.ResponseWriter, call string, err error) {
	problem, ok := errors.AsType[*wire.Error](err)
	if !ok {
		c.config.Log.Error("a call of the ceremony failed", "call", call, "error", err)
		problem = refuse(http.StatusInternalServerError, "internal", "The signer could not do this. Its log says why.")
	} else if c.config.Refused(call, *problem) {
		c.config.Log.Warn("the ceremony refuses", "call", call, "code", problem.Code, "error", err)
	}
	c.write(w, problem.Status, wire.ProblemType, problem)
}

func (c *Ceremony) write(w http.ResponseWriter, status int, kind string, answer any) {
	data, err := json.Marshal(answer)
	if err != nil {
		c.config.Log.Error("an answer of the ceremony cannot be encoded", "error", err)
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	if _, err := w.Write(data); err != nil {
		c.config.Log.Debug("an answer of the ceremony did not arrive", "error", err)
	}
}
