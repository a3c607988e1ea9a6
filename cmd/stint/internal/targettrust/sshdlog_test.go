package targettrust

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	keyPrint = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
	caPrint  = "SHA256:AAAAY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOq"
	signIn   = "Accepted publickey for postgres from 127.0.0.1 port 39184 ssh2: ED25519-CERT " + keyPrint +
		" ID r-12_x (serial 41) CA ED25519 " + caPrint
)

func TestParseAccepted(t *testing.T) {
	t.Parallel()
	want := Accepted{Login: "postgres", KeyID: "r-12_x", Serial: 41, CA: caPrint}
	for name, front := range map[string]string{
		"bare": "", "syslog": "Nov 23 03:46:21 db1 sshd[812]: ", "syslog, first days": "Nov  3 03:46:21 db1 sshd[812]: ",
		"RFC 3339": "2026-11-23T03:46:21.123456+00:00 db1 sshd-session[812]: ", "without a time": "sshd[812]: ",
	} {
		if got, ok := ParseAccepted(front + signIn); !ok || got != want {
			t.Errorf("%s: %+v %v", name, got, ok)
		}
	}
	// FingerprintHash md5, word for word.
	const md5 = "MD5:f3:7a:44:6c:b3:0b:7d:f0:ae:5f:29:d3:c4:86:0a:8d"
	shorter := strings.NewReplacer(keyPrint, md5, caPrint, md5).Replace(signIn)
	if got, ok := ParseAccepted(shorter); !ok || got.Serial != 41 || got.CA != md5 {
		t.Errorf("MD5: %+v %v", got, ok)
	}
	if got, ok := ParseAccepted(strings.TrimSuffix(shorter, ":8d")); ok {
		t.Errorf("an MD5 fingerprint that is cut: %+v", got)
	}
	odd := "Accepted publickey for root from ::1 port 1 ssh2: ECDSA-CERT " + keyPrint +
		" ID a (serial 7) CA ED25519 " + keyPrint + " (serial 18446744073709551615) CA ECDSA " + caPrint
	if got, ok := ParseAccepted(odd); !ok || got.Serial != 18446744073709551615 || got.CA != caPrint || got.Login != "root" {
		t.Errorf("a key id that looks like more: %+v %v", got, ok)
	}
	// sshd cuts a message at 1023 bytes: what then ends the line is the key id.
	front := strings.TrimSuffix(signIn, "r-12_x (serial 41) CA ED25519 "+caPrint)
	fake := " (serial 41) CA ED25519 " + caPrint
	hiding := front + strings.Repeat("x", 1023-len(front)-len(fake)) + fake
	for name, text := range map[string]string{"no end": front + strings.Repeat("x", 1023-len(front)), "another's end": hiding} {
		if got, ok := ParseAccepted("Nov 23 03:46:21 db1 sshd[812]: " + text); !ok || !got.Cut || got.Serial != 0 || got.CA != "" || got.Login != "postgres" {
			t.Errorf("%s: %+v %v", name, got, ok)
		}
	}
	for name, text := range map[string]string{
		"a name, no front":  "Invalid user " + signIn,
		"a plain key":       "Accepted publickey for postgres from 127.0.0.1 port 39184 ssh2: ED25519 " + keyPrint,
		"a stranger's name": "Nov 23 03:46:21 db1 sshd[812]: Invalid user " + signIn + " from 10.0.0.1 port 22",
		"a name at the end": "Nov 23 03:46:21 db1 sshd[812]: Invalid user " + signIn,
		"another program":   "Nov 23 03:46:21 db1 logger[812]: " + signIn,
		"a longer front":    "Nov 23 03:46:21 db1 x sshd[812]: " + signIn,
		"no serial":         strings.Replace(signIn, "(serial 41) ", "", 1),
		"serial too big":    strings.Replace(signIn, "41", "18446744073709551616", 1),
		"cut":               signIn[:len(signIn)-1],
		"more":              signIn + " ",
		"a password":        "Accepted password for postgres from 127.0.0.1 port 39184 ssh2",
		"empty":             "",
	} {
		if got, ok := ParseAccepted(text); ok {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestParseJournal(t *testing.T) {
	t.Parallel()
	got, ok := parseJournal([]byte(`{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1774000000123456","MESSAGE":"hello","_PID":"7"}`))
	if !ok || got.text != "hello" || got.after != (Position{Log: Journal, Cursor: "s=1;i=2"}) || !got.at.Equal(time.UnixMicro(1774000000123456)) {
		t.Errorf("%+v %v", got, ok)
	}
	for _, text := range []string{``, `{}`, `[]`, `{"MESSAGE":"x"}`, `{"__CURSOR":"c","MESSAGE":[1,2]}`, `{"__CURSOR":"c"`} {
		if got, ok := parseJournal([]byte(text)); ok {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// read returns the lines behind a position, and the position behind them.
func read(t *testing.T, path string, from *Position) (texts []string, after *Position) {
	t.Helper()
	after = from
	for l, err := range lines(t.Context(), path, from) {
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, l.text)
		after = &l.after
	}
	return texts, after
}

func TestLogIsReadOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.log")
	write := func(flags int, text string) {
		t.Helper()
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flags, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
		file.Close()
	}
	long := strings.Repeat("x", 3*maxLine)
	write(0, "one\r\n"+long+"\ntwo\nhal")
	got, at := read(t, path, nil)
	if len(got) != 3 || got[0] != "one" || len(got[1]) != maxLine || got[2] != "two" {
		t.Errorf("%.40q", got)
	}
	write(os.O_APPEND, "f\nthree\n")
	if got, at = read(t, path, at); !slices.Equal(got, []string{"half", "three"}) {
		t.Errorf("more: %.40q", got)
	}
	if got, at = read(t, path, at); len(got) != 0 {
		t.Errorf("nothing new: %.40q", got)
	}
	// logrotate: something came between the last read and the new file.
	write(os.O_APPEND, "four\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(0, "five\n")
	if got, at = read(t, path, at); !slices.Equal(got, []string{"four", "five"}) {
		t.Errorf("rotated: %.40q", got)
	}
	write(os.O_TRUNC, "six\n")
	write(os.O_APPEND, "")
	if got, at = read(t, path, &Position{Log: path, Inode: at.Inode, Offset: 1000}); !slices.Equal(got, []string{"six"}) {
		t.Errorf("emptied: %.40q", got)
	}
	for _, err := range lines(t.Context(), path+".none", at) {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("no such log: %v", err)
		}
	}
}

func FuzzParseAccepted(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := ParseAccepted(text)
		if !ok {
			if got != (Accepted{}) {
				t.Fatalf("refused and returned: %+v", got)
			}
			return
		}
		if got.Cut {
			if len(text) < mostMessage || got.Serial != 0 || got.CA != "" {
				t.Fatalf("%q gave %+v", text, got)
			}
			return
		}
		// Whatever was accepted says so in words that are sshd's, at its place.
		front, rest, found := strings.Cut(text, "Accepted publickey for "+got.Login+" from ")
		if !found || strings.Count(front, " ") > 5 || !strings.HasSuffix(rest, got.CA) || !strings.Contains(rest, " ID "+got.KeyID+" (serial ") {
			t.Fatalf("%q gave %+v", text, got)
		}
	})
}

func FuzzParseJournal(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		got, ok := parseJournal(text)
		if !ok && got != (line{}) || ok && (got.after.Cursor == "" || got.after.Log != Journal || got.after.Offset != 0) {
			t.Fatalf("%q gave %+v %v", text, got, ok)
		}
	})
}
