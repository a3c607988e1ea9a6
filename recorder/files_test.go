//go:build e2e

package recorder_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stint/recorder/cast"
	signer "stint/server/signer/wire"
)

// allow gives the client a grant of its own under session rules.
func (r *real) allow(t *testing.T, request string, rules signer.SessionRules) {
	t.Helper()
	grant := r.grant
	grant.Request, grant.Rules = request, rules
	r.Signer.Allow(grant)
	r.writeConfig(t, r.Signer.IdentityFile(t, grant))
}

// copied is what a recording tells of files and of what was not kept.
type copied struct {
	transcript
	size  int // of the recording
	files []cast.FileOperation
	bulks []cast.Bulk
}

func (r *real) copied(t *testing.T, request string) (c copied) {
	t.Helper()
	recording := r.Broker.AwaitDelivered(t, request).Recording
	c.transcript, c.size = read(t, recording), len(recording)
	reader, err := cast.NewReader(bytes.NewReader(recording))
	must(t, err)
	for {
		event, err := reader.Next()
		if err == io.EOF {
			return c
		}
		must(t, err)
		switch body := event.Body.(type) {
		case cast.FileOperation:
			c.files = append(c.files, body)
		case cast.Bulk:
			c.bulks = append(c.bulks, body)
		}
	}
}

// leftOut is how much of a stream was not kept.
func (c copied) leftOut(stream cast.Kind) (n int) {
	for _, b := range c.bulks {
		if b.Stream == stream {
			n += int(b.Size())
		}
	}
	return n
}

// mustTell looks for an operation; words are compared with what it shows of itself.
func (c copied) mustTell(t *testing.T, want cast.FileOperation) {
	t.Helper()
	want.Outcome = "ok"
	if !slices.ContainsFunc(c.files, func(f cast.FileOperation) bool {
		f.Number = 0
		if want.Attributes == "" {
			f.Attributes = ""
		}
		return f == want
	}) {
		t.Errorf("it does not tell of %+v, but of\n%+v", want, c.files)
	}
}

func digest(data []byte) cast.Digest { return sha256.Sum256(data) }

// random makes a file of random bytes.
func random(t *testing.T, path string, size int) []byte {
	t.Helper()
	data := make([]byte, size)
	_, _ = rand.Read(data)
	must(t, os.WriteFile(path, data, 0o644))
	return data
}

func (r *real) sftp(t *testing.T, lines ...string) {
	t.Helper()
	if got := r.run(t, strings.NewReader(strings.Join(lines, "\n")+"\n"), "sftp", "-q", "-b", "-", "one-hop"); got.err != nil {
		t.Errorf("%q: %+v", lines, got)
	}
}

func TestFilesBySFTP(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	here, there := t.TempDir(), r.sshd.Home
	local, back := filepath.Join(here, "local"), filepath.Join(here, "back")
	data := random(t, local, 300_001)
	must(t, os.WriteFile(back, data[:100_000], 0o644))

	r.allow(t, "r-sftp", signer.SessionRules{})
	r.sftp(t, "cd "+there, "put "+local+" up", "mkdir dir", "ls -l", "rename up dir/up2", "chmod 600 dir/up2", "ln dir/up2 hard", "ln -s dir/up2 soft", "df",
		"reget dir/up2 "+back, "get dir/up2 "+back+"2", "rm hard", "rm soft", "-rmdir missing", "put "+local+" na\xffme", "rm na\xffme", "rm dir/up2", "rmdir dir")
	for _, path := range []string{back, back + "2"} {
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d bytes came, or others: %v", path, len(got), err)
		}
	}
	c := r.copied(t, "r-sftp")
	at := func(name string) string { return there + "/" + name }
	sum := digest(data)
	for _, want := range []cast.FileOperation{
		{Operation: cast.OpenFile, Path: at("up"), Flags: "write, create, truncate", Mode: "0644"},
		{Operation: cast.WriteFile, Path: at("up"), Size: 300_001, SHA256: sum, Whole: true},
		{Operation: cast.MakeDirectory, Path: at("dir"), Mode: "0777"},
		{Operation: cast.ListDirectory, Path: there},
		{Operation: cast.RenameFile, Path: at("up"), Other: at("dir/up2"), Flags: "replacing"},
		{Operation: cast.SetAttributes, Path: at("dir/up2"), Mode: "0600"},
		{Operation: cast.MakeLink, Path: at("dir/up2"), Other: at("hard")},
		{Operation: cast.MakeSymlink, Path: at("soft"), Other: "dir/up2"},
		{Operation: cast.OpenFile, Path: at("dir/up2"), Flags: "read"},
		{Operation: cast.ReadFile, Path: at("dir/up2"), Offset: 100_000, Size: 200_001, SHA256: digest(data[100_000:])},
		{Operation: cast.ReadFile, Path: at("dir/up2"), Size: 300_001, SHA256: sum, Whole: true},
		{Operation: cast.RemoveFile, Path: at("hard")},
		{Operation: cast.RemoveFile, Path: at("soft")},
		{Operation: cast.WriteFile, Path: at("na\xffme"), Size: 300_001, SHA256: sum, Whole: true},
		{Operation: cast.RemoveFile, Path: at("na\xffme")},
		{Operation: cast.RemoveFolder, Path: at("dir")},
	} {
		c.mustTell(t, want)
	}
	if !slices.ContainsFunc(c.files, func(f cast.FileOperation) bool {
		return f.Operation == cast.RemoveFolder && f.Path == at("missing") && f.Outcome == "no-such-file" && f.Message == "No such file"
	}) {
		t.Error("nothing tells of the directory that is missing")
	}
	if c.holds("Note this is not SFTP") || c.leftOut(cast.KindInput) != 600_002 || c.leftOut(cast.KindOutput) != 500_002 || strings.Contains(c.input, string(data[:100])) {
		t.Errorf("%d bytes of input are not kept, %d of output", c.leftOut(cast.KindInput), c.leftOut(cast.KindOutput))
	}

	// What was cut off goes on.
	r.allow(t, "r-reput", signer.SessionRules{})
	must(t, os.WriteFile(at("partly"), data[:100_000], 0o666))
	must(t, os.Chmod(at("partly"), 0o666))
	r.sftp(t, "cd "+there, "reput "+local+" partly")
	c = r.copied(t, "r-reput")
	c.mustTell(t, cast.FileOperation{Operation: cast.WriteFile, Path: at("partly"), Offset: 100_000, Size: 200_001, SHA256: digest(data[100_000:])})
}

func TestFilesWithContent(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	local := filepath.Join(t.TempDir(), "local")
	data := random(t, local, 200_000)
	for protocol, options := range map[string][]string{"sftp": {"-q"}, "scp": {"-q", "-O"}} {
		request := "r-content-" + protocol
		r.allow(t, request, signer.SessionRules{Files: "content"})
		if got := r.run(t, nil, "scp", append(options, local, "one-hop:"+r.sshd.Home+"/"+protocol)...); got.err != nil {
			t.Fatalf("%+v", got)
		}
		c := r.copied(t, request)
		if len(c.bulks) > 0 || protocol == "scp" && !strings.Contains(c.input, string(data)) || len(c.input) < len(data) || !strings.Contains(c.input, string(data[:30_000])) {
			t.Errorf("%s: %d bytes of input are kept, and %d left out", protocol, len(c.input), c.leftOut(cast.KindInput))
		}
		if !slices.ContainsFunc(c.files, func(f cast.FileOperation) bool {
			return f.Operation == cast.WriteFile && f.SHA256 == digest(data) && f.Whole
		}) {
			t.Errorf("%s: it tells of %+v", protocol, c.files)
		}
	}
}

// A tree of many small files goes up and comes down by both protocols; each file is told.
func TestFilesOfATree(t *testing.T) {
	t.Parallel()
	const many = 1000
	r := newReal(t)
	here := t.TempDir()
	sums := map[string]string{}
	for i := range many {
		name := fmt.Sprintf("d%d/e/file %d", i%10, i)
		path := filepath.Join(here, "tree", name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		sum := digest(random(t, path, i))
		sums["tree/"+name] = hex.EncodeToString(sum[:])
	}
	for protocol, option := range map[string]string{"sftp": "-s", "scp": "-O"} {
		remote := r.sshd.Home + "/" + protocol
		for _, direction := range []string{"up", "down"} {
			request, operation := "r-"+protocol+"-"+direction, cast.WriteFile
			from, to := filepath.Join(here, "tree"), "one-hop:"+remote
			if direction == "up" {
				must(t, os.Mkdir(remote, 0o777))
				must(t, os.Chmod(remote, 0o777))
			} else {
				operation = cast.ReadFile
				from, to = "one-hop:"+remote+"/tree", filepath.Join(here, "back-"+protocol)
				must(t, os.Mkdir(to, 0o755))
			}
			r.allow(t, request, signer.SessionRules{})
			if got := r.run(t, nil, "scp", "-q", "-r", "-p", option, from, to); got.err != nil {
				t.Fatalf("%s: %+v", request, got)
			}
			c := r.copied(t, request)
			told := map[string]string{}
			for _, f := range c.files {
				if f.Operation == operation && f.Whole && f.Outcome == "ok" {
					told["tree/"+f.Path[strings.Index("/"+f.Path, "/tree/")+5:]] = f.SHA256.String()
				}
			}
			wrong := 0
			for name, sum := range sums {
				if told[name] != sum {
					wrong++
				}
			}
			if wrong > 0 || len(told) != many || c.holds("Note this is not") {
				t.Errorf("%s: %d files are told, %d otherwise than they are", request, len(told), wrong)
			}
		}
	}
}

func TestFilesThatAreBig(t *testing.T) {
	t.Parallel()
	const size = 65<<20 + 13
	r := newReal(t)
	local := filepath.Join(t.TempDir(), "local")
	data := random(t, local, size)
	r.allow(t, "r-big", signer.SessionRules{})
	if got := r.run(t, nil, "scp", "-q", "-c", "aes128-gcm@openssh.com", local, "one-hop:"+r.sshd.Home+"/big"); got.err != nil {
		t.Fatalf("%+v", got)
	}
	c := r.copied(t, "r-big")
	c.mustTell(t, cast.FileOperation{Operation: cast.WriteFile, Path: r.sshd.Home + "/big", Size: size, SHA256: digest(data), Whole: true})
	if c.leftOut(cast.KindInput) != size || c.size > size/20 || len(c.bulks) < size/(5<<20) {
		t.Errorf("%d bytes are not kept, in %d pieces; the recording has %d", c.leftOut(cast.KindInput), len(c.bulks), c.size)
	}
	for _, b := range c.bulks {
		if b.From != 0 || b.SHA256 != digest(data[:b.To]) {
			t.Errorf("a piece up to byte %d has another digest", b.To)
		}
	}
}

// A copy that is revoked in flight says how much of it went through.
func TestFilesInFlight(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	local := filepath.Join(t.TempDir(), "local")
	data := random(t, local, 8<<20)
	for _, option := range []string{"-s", "-O"} {
		request := "r-flight" + option
		r.allow(t, request, signer.SessionRules{})
		remote := filepath.Join(r.sshd.Home, "partly"+option)
		// A megabyte a second, so that it is revoked long before its end.
		ended := make(chan result, 1)
		go func() { ended <- r.run(t, nil, "scp", "-q", option, "-l", "8000", local, "one-hop:"+remote) }()
		r.awaitSize(t, remote, 100_000)
		r.Broker.Revoke(request, "Bob")
		if got := <-ended; got.err == nil {
			t.Errorf("%s: the copy goes on to its end", option)
		}
		c := r.copied(t, request)
		there, err := os.ReadFile(remote)
		must(t, err)
		f := c.files[len(c.files)-1]
		if f.Operation != cast.WriteFile || f.Outcome != "unanswered" || f.Whole || f.Size < uint64(len(there)) || f.SHA256 != digest(data[:f.Size]) || c.leftOut(cast.KindInput) != int(f.Size) {
			t.Errorf("%s: it tells %+v, and %d bytes are there", option, f, len(there))
		}
	}
}

// Of a copy whose proxy is killed, all is accounted for but the last piece.
func TestFilesOfAKilledProxy(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	local := filepath.Join(t.TempDir(), "local")
	data := random(t, local, 16<<20)
	for _, option := range []string{"-s", "-O"} {
		r.stop()
		process := r.startProcess(t, `exec "$0"`)
		request := "r-killed" + option
		r.allow(t, request, signer.SessionRules{})
		remote := filepath.Join(r.sshd.Home, "partly"+option)
		ended := make(chan result, 1)
		go func() { ended <- r.run(t, nil, "scp", "-q", option, "-l", "64000", local, "one-hop:"+remote) }()
		r.awaitSize(t, remote, 6<<20)
		must(t, process.Process.Kill())
		_ = process.Wait()
		<-ended
		there, err := os.Stat(remote)
		must(t, err)
		r.startProxy(t)
		c := r.copied(t, request)
		if missing := int(there.Size()) - c.leftOut(cast.KindInput); missing > 4<<20+64<<10 {
			t.Errorf("%s: %d bytes are there of which the recording was not told", option, missing)
		}
		for _, b := range c.bulks {
			if b.SHA256 != digest(data[:b.To]) {
				t.Errorf("%s: a piece up to byte %d has another digest", option, b.To)
			}
		}
	}
}

// awaitSize waits until a file has a size.
func (r *real) awaitSize(t *testing.T, path string, size int64) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if status, err := os.Stat(path); err == nil && status.Size() > size {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not grow to %d bytes", path, size)
		}
	}
}

// What is not a copy and nothing else is kept byte for byte, whatever it looks like.
func TestFilesAmongCommands(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	here := t.TempDir()
	local := filepath.Join(here, "local")
	data := random(t, local, 100_000)
	r.allow(t, "r-rsync", signer.SessionRules{})
	if output, err := exec.Command("rsync", "-e", "ssh -F "+r.config, local, "one-hop:"+r.sshd.Home+"/synced").CombinedOutput(); err != nil {
		t.Fatalf("rsync: %v\n%s", err, output)
	}
	if c := r.copied(t, "r-rsync"); len(c.files) > 0 || len(c.bulks) > 0 || !strings.Contains(c.input, string(data[:30_000])) {
		t.Errorf("of rsync it keeps %d bytes of input, and tells of %+v", len(c.input), c.files)
	}

	// After scp has what it wants, a shell reads what looks like another file.
	hidden := "\x02bye\nC0644 30 n\necho hidden-$((1+1)) && exit #\n"
	r.allow(t, "r-bash", signer.SessionRules{})
	got := r.run(t, strings.NewReader("C0644 3 n\nabc\x00"+hidden), "ssh", "one-hop", "cd; scp -t n; bash")
	if c := r.copied(t, "r-bash"); len(c.files) > 0 || len(c.bulks) > 0 || c.input != "C0644 3 n\nabc\x00"+hidden || !strings.Contains(got.stdout, "hidden-2") {
		t.Errorf("of scp and a shell it keeps %q, tells of %+v, and the client got %+v", c.input, c.files, got)
	}

	// A client that breaks the protocol has all of it kept.
	r.allow(t, "r-broken", signer.SessionRules{})
	_ = r.run(t, strings.NewReader("C0644 3 n\nabc\x00"+hidden), "ssh", "one-hop", "scp -t "+r.sshd.Home+"/n")
	if c := r.copied(t, "r-broken"); len(c.bulks) > 0 || !c.holds("Note this is not the scp protocol") || c.input != "C0644 3 n\nabc\x00"+hidden {
		t.Errorf("of a broken copy it keeps %q, and tells %q", c.input, c.events)
	}
}

func TestBulkOfCommands(t *testing.T) {
	t.Parallel()
	const size, bound = 9 << 20, 1 << 20
	r := newReal(t)
	data := random(t, filepath.Join(t.TempDir(), "data"), size)
	r.allow(t, "r-bulk", signer.SessionRules{BulkBytes: bound})
	got := r.run(t, bytes.NewReader(data), "ssh", "-c", "aes128-gcm@openssh.com", "one-hop", "cat; echo said >&2; exit 3")
	if got.stdout != string(data) || got.stderr != "said\n" || status(got.err) != 3 {
		t.Fatalf("%d bytes come back, %s, %v", len(got.stdout), got.stderr, got.err)
	}
	c := r.copied(t, "r-bulk")
	for stream, kept := range map[cast.Kind]string{cast.KindInput: c.input, cast.KindOutput: c.output} {
		// Put together: what was kept, and in its places what was not.
		var pieces []cast.Bulk
		for _, b := range c.bulks {
			if b.Stream == stream {
				pieces = append(pieces, b)
			}
		}
		at := 0
		for _, b := range pieces {
			n := int(b.Offset) - at
			if kept[:n] != string(data[at:b.Offset]) || b.SHA256 != digest(data[b.Offset:b.Offset+b.Size()]) || len(b.Spans) != 1 {
				t.Errorf("%s: the piece at %d is not what went through", stream, b.Offset)
			}
			kept, at = kept[n:], int(b.Offset+b.Size())
		}
		if kept != string(data[at:]) || len(pieces) < 2 || c.leftOut(stream) < size/2 || pieces[0].Offset != bound {
			t.Errorf("%s: %d bytes are not kept, in %d pieces", stream, c.leftOut(stream), len(pieces))
		}
	}

	// With a terminal, and without a bound, everything is kept.
	for request, arguments := range map[string][]string{
		"r-terminal": {"-tt", "one-hop", "head -c 100000 /dev/zero | tr '\\0' x"},
		"r-shell":    {"-T", "one-hop"},
	} {
		r.allow(t, request, signer.SessionRules{BulkBytes: 1000})
		r.run(t, strings.NewReader("head -c 100000 /dev/zero | tr '\\0' x; exit\n"), "ssh", arguments...)
		if c := r.copied(t, request); len(c.bulks) > 0 || strings.Count(c.output, "x") < 100_000 {
			t.Errorf("%s: %d bytes are kept", request, len(c.output))
		}
	}
}
