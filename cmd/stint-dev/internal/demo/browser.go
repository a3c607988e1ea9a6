package demo

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// browser is as much of one as signing in takes: cookies, redirects, one form.
type browser struct{ http *http.Client }

func newBrowser() (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &browser{&http.Client{Jar: jar, Timeout: 30 * time.Second}}, nil
}

var formAction = regexp.MustCompile(`<form method="post" action="([^"]+)"`)

// signIn opens an address that leads to the provider's form, fills it in, and
// follows where that leads.
func (b *browser) signIn(ctx context.Context, address string, who Person) error {
	page, body, err := b.fetch(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	form := formAction.FindStringSubmatch(body)
	if form == nil {
		return fmt.Errorf("%s shows no form to sign in with", page)
	}
	action, err := page.Parse(html.UnescapeString(form[1]))
	if err != nil {
		return fmt.Errorf("the form at %s: %w", page, err)
	}
	page, body, err = b.fetch(ctx, http.MethodPost, action.String(), url.Values{"login": {who.Name}, "password": {who.Password}})
	if err != nil {
		return err
	}
	if formAction.MatchString(body) || strings.HasPrefix(page.Path, "/sign-in") {
		return fmt.Errorf("signing in as %s ended at %s", who.Name, page)
	}
	return nil
}

// fetch returns where it ended, after redirects, and the page there.
func (b *browser) fetch(ctx context.Context, method, address string, form url.Values) (*url.URL, string, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, "", err
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := b.http.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return nil, "", err
	}
	// The portal's own page may say that the web is not built into the binary;
	// the sign-in stands all the same.
	if answer.StatusCode/100 != 2 && answer.StatusCode != http.StatusServiceUnavailable {
		return nil, "", fmt.Errorf("%s answers %s", answer.Request.URL.Redacted(), answer.Status)
	}
	return answer.Request.URL, string(body), nil
}
