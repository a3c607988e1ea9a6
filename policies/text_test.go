package policies

import (
	"strings"
	"testing"
	"time"
)

func TestSubjectsHaveOneSpelling(t *testing.T) {
	t.Parallel()
	for _, s := range []Subject{
		{"https://id.example.com", "f3a9"},
		{"http://localhost:5556/dex", "CgVhbGljZRIFbG9jYWw"},
		{"https://id.example.com", "auth0|a@b"},
		{"https://id.example.com", "@"},
	} {
		got, err := ParseSubject(s.String())
		if err != nil || got != s {
			t.Errorf("%s came back as %v, %v", s, got, err)
		}
	}
	for _, text := range []string{
		"", "a", "a@https://b", " @ https://b", "a @ ", "a @ b", "a @ ftp://b", "a b @ https://c", "a  @ https://b",
		"a @ https://b @ https://c", "ä @ https://b", "a\n @ https://b", strings.Repeat("a", 256) + " @ https://b", "a @ https://b ",
	} {
		if s, err := ParseSubject(text); err == nil {
			t.Errorf("%q was read as %+v", text, s)
		}
	}
}

func TestDurationsHaveOneSpelling(t *testing.T) {
	t.Parallel()
	for text, d := range map[string]time.Duration{
		"0s": 0, "20s": 20 * time.Second, "45m": 45 * time.Minute, "1h30m": 90 * time.Minute, "1h": time.Hour,
		"1h5s": time.Hour + 5*time.Second, "100h": 100 * time.Hour, "59m59s": time.Hour - time.Second,
	} {
		if got := FormatDuration(d); got != text {
			t.Errorf("FormatDuration(%v) = %q, want %q", d, got, text)
		}
		if got, err := ParseDuration(text); err != nil || got != d {
			t.Errorf("ParseDuration(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "90m", "60s", "1.5h", "1h0m", "01h", "1h 5m", "-1h", "+1h", "5m1h", "1d", "1000ms", "1H", "h", "99999999999h"} {
		if d, err := ParseDuration(text); err == nil {
			t.Errorf("%q was read as %v", text, d)
		}
	}
	if got := FormatDuration(-90 * time.Minute); got != "-1h30m" {
		t.Errorf("FormatDuration(-90m) = %q", got)
	}
}

func FuzzParseDuration(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := ParseDuration(text); err == nil && FormatDuration(d) != text {
			t.Errorf("%q and %q are the same duration", text, FormatDuration(d))
		}
	})
}

func FuzzParseSubject(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := ParseSubject(text); err == nil && s.String() != text {
			t.Errorf("%q and %q are the same identity", text, s)
		}
	})
}

func TestCheckText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "disk full on web-1: OPS-12", "naïve — ‘quoted’", "日本語", "مرحبا", "❤️", "a\u00a0b", strings.Repeat("ä", 10)} {
		if err := CheckText(text, 30); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for name, text := range map[string]string{
		"line feed": "a\nb", "tab": "a\tb", "null": "a\x00", "delete": "a\x7f", "next line": "a\u0085", "escape": "\x1b[31m",
		"right to left override": "a\u202eb", "isolate": "a\u2066b", "arabic letter mark": "\u061c", "zero width space": "a\u200bb",
		"zero width joiner": "a\u200db", "word joiner": "a\u2060b", "byte order mark": "\ufeffa", "line separator": "a\u2028b",
		"soft hyphen": "a\u00adb", "tag": "a\U000E0041", "not UTF-8": "a\xff", "surrogate": "\xed\xa0\x80", "overlong": "\xc0\xaf", "too long": strings.Repeat("ä", 31),
	} {
		if err := CheckText(text, 30); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"localhost:22", "10.0.0.1:2222", "a.b-c.example:65535", "[::1]:22", "[2001:db8::1]:22", "[::ffff:10.0.0.1]:22"} {
		if err := checkAddress(address); err != nil {
			t.Error(err)
		}
	}
	for _, address := range []string{"", "a", ":22", "a:", "a:0", "a:65536", "a:+1", "a b:22", "::1:22", "[a]:22", "[]:22", "a/b:22", "-a:22", "a:22 ", "user@a:22"} {
		if err := checkAddress(address); err == nil {
			t.Errorf("%q was accepted", address)
		}
	}
}
