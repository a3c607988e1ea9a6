package portal

import (
	"context"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"stint/server/api"
	"stint/web"
)

type contextKey int

const (
	requestIDKey contextKey = iota
	callerKey
)

// requestID names a request in answers and logs.
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey).(string)
	return id
}

var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

func (p *Portal) identified(c *gin.Context) {
	var random [10]byte
	if _, err := io.ReadFull(p.config.Random, random[:]); err != nil {
		c.AbortWithStatus(http.StatusInternalServerError)
		return
	}
	id := idEncoding.EncodeToString(random[:])
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), requestIDKey, id))
	c.Header("X-Request-Id", id)
	c.Next()
}

// guarded turns a panic into an answer without details.
func (p *Portal) guarded(c *gin.Context) {
	defer func() {
		failure := recover()
		if failure == nil {
			return
		}
		if failure == http.ErrAbortHandler {
			panic(failure) // how a handler breaks a stream off
		}
		p.log.Error("a request panicked", "request_id", requestID(c.Request.Context()), "method", c.Request.Method,
			"route", c.FullPath(), "failure", fmt.Sprint(failure), "stack", string(debug.Stack()))
		if !c.Writer.Written() {
			p.refuse(c, internalProblem(0))
		}
	}()
	c.Next()
}

// logged writes one line a request. Paths are those of the routes: real ones,
// and queries, may hold codes.
func (p *Portal) logged(c *gin.Context) {
	began := p.config.Now()
	c.Next()
	level := slog.LevelDebug
	switch {
	case c.Writer.Status() >= http.StatusInternalServerError:
		level = slog.LevelWarn
	case c.Request.Method != http.MethodGet && c.Request.Method != http.MethodHead:
		level = slog.LevelInfo
	}
	p.log.Log(c.Request.Context(), level, "request", "request_id", requestID(c.Request.Context()), "method", c.Request.Method,
		"route", c.FullPath(), "status", c.Writer.Status(), "took", p.config.Now().Sub(began).Round(time.Microsecond).String())
}

func (p *Portal) headed(c *gin.Context) {
	header := c.Writer.Header()
	header.Set("Content-Security-Policy", web.ContentSecurityPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Permissions-Policy", "publickey-credentials-create=(self), publickey-credentials-get=(self), "+
		"camera=(), microphone=(), geolocation=(), display-capture=(), payment=(), usb=(), serial=(), hid=(), midi=()")
	if p.secure {
		header.Set("Strict-Transport-Security", "max-age=31536000")
	}
	// Answers are for one person and one moment; assets say otherwise themselves.
	header.Set("Cache-Control", "no-store")
	c.Next()
}

// fromKnownHost refuses requests for another host: a page elsewhere whose name
// was made to resolve to this address (DNS rebinding) has that name as its
// origin, and would pass for the same origin here.
func (p *Portal) fromKnownHost(c *gin.Context) {
	if !p.hosts[strings.ToLower(c.Request.Host)] && c.Request.URL.Path != api.PathHealth {
		p.refuse(c, &api.Error{Status: http.StatusMisdirectedRequest, Code: "host.unknown", Title: "Stint is not served under this address; go to " + p.config.URL + "."})
		return
	}
	c.Next()
}

// fromOwnOrigin refuses writes that another site's page has caused: a browser
// says truly where a write comes from. A caller without a browser shows a token
// that no other site can send.
func (p *Portal) fromOwnOrigin(c *gin.Context) {
	switch c.Request.Method {
	case http.MethodGet, http.MethodHead:
		c.Next()
		return
	}
	origins := c.Request.Header.Values("Origin")
	absent := len(origins) == 0 && c.GetHeader("Authorization") != ""
	if !absent && (len(origins) != 1 || !p.origins[origins[0]]) {
		p.refuse(c, &api.Error{Status: http.StatusForbidden, Code: "origin.refused", Title: "This call must come from the portal itself, at " + p.config.URL + "."})
		return
	}
	c.Next()
}

// refuse answers with an error and ends the request.
func (p *Portal) refuse(c *gin.Context, problem *api.Error) {
	text, err := json.Marshal(problem)
	if err != nil {
		c.AbortWithStatus(http.StatusInternalServerError)
		return
	}
	c.Data(problem.Status, problem.ContentType(""), text)
	c.Abort()
}
