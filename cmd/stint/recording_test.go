package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"stint/recorder/cast"
	"stint/server/api"
)

// One channel must not be able to hide what another says.
func TestPlayKeepsStreamsApart(t *testing.T) {
	t.Parallel()
	var recording bytes.Buffer
	writer, err := cast.NewWriter(&recording, cast.Header{Session: "s", Request: "r", Protocol: "ssh"}, cast.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range []struct {
		channel uint32
		body    cast.Body
	}{
		{1, cast.Output("\x1bP")}, // a control string begins
		{1, cast.ErrorOutput("on the error output\n")},
		{2, cast.Output("on another channel\n")},
		{1, cast.Output("\x1b\\after it\n")}, // and ends
		{3, cast.ChannelOpen{Type: cast.Subsystem, Command: "sftp"}},
		{3, cast.Output("packets")},
		{3, cast.FileOperation{Operation: cast.RemoveFile, Path: "/a\x1b]0;", Outcome: "ok"}},
		{2, cast.Bulk{Stream: cast.KindOutput, Spans: []uint64{7}}},
	} {
		if err := writer.Write(event.channel, event.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(cast.End{Reason: cast.Completed}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := play(t.Context(), &environment{out: &out}, &recording, 1000, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "packets") || strings.Contains(out.String(), "\x1b]") {
		t.Errorf("it shows %q", out.String())
	}
	for _, want := range []string{"on the error output\n", "on another channel\n", "after it\n", "file: remove /a", "7 bytes of output are not kept"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not shown in %q", want, out.String())
		}
	}
}

// What a hostile broker answers must not reach the terminal as it is.
func TestPrintedRequestIsPlain(t *testing.T) {
	t.Parallel()
	const act = "\x1b]52;c;ZWNobw==\a"
	ends := time.Now().Add(time.Hour)
	request := api.Request{}
	request.ID, request.State, request.EndReason, request.Summary = "req-1"+act, "active", act, act
	request.Login, request.Target, request.Ends = act, act, &ends
	var out bytes.Buffer
	printRequest(&environment{out: &out, now: time.Now}, request)
	if strings.ContainsAny(out.String(), "\x1b\a") {
		t.Errorf("printed %q", out.String())
	}
}

// A file that somebody left about is not taken for the session of that name.
func TestIDNamesNoFile(t *testing.T) {
	for _, id := range []string{"0123456789abcdef0123456789abcdef", "req-4711"} {
		t.Chdir(t.TempDir())
		t.Setenv("HOME", t.TempDir())
		t.Setenv("XDG_CONFIG_HOME", t.TempDir())
		if err := os.WriteFile(id, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if file, err := openRecording(t.Context(), &environment{now: time.Now}, id); err == nil {
			file.Close()
			t.Errorf("%s opens a file", id)
		}
	}
}
