package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stint/recorder/cast"
	"stint/server/api"
)

func sessionsCommand(e *environment) *cobra.Command {
	var query api.SessionsQuery
	command := reading(e, &cobra.Command{
		Use:   "sessions",
		Short: "Recorded sessions that you may see",
		Args:  nothing,
	}, func(ctx context.Context, client *api.Client, _ []string) (api.Sessions, error) {
		return client.Sessions(ctx, query)
	}, func(page api.Sessions) error {
		if len(page.Items) == 0 {
			fmt.Fprintln(e.out, "No session yet. One begins with: stint ssh TARGET")
			return nil
		}
		var rows [][]string
		for _, s := range page.Items {
			state := "live"
			if !s.Live {
				state = s.EndReason
			}
			rows = append(rows, []string{s.ID, clock(s.Started), s.Person.Name, s.Login + "@" + s.Target, state, s.ChainVerified})
		}
		return tablePage(e.out, []string{"ID", "STARTED", "WHO", "WHERE", "STATE", "RECORDING"}, rows, page.Cursor)
	})
	flags := command.Flags()
	flags.StringVar(&query.Request, "request", "", "only sessions of this request")
	flags.StringVar(&query.Target, "target", "", "only sessions on this target")
	flags.BoolVar(&query.Live, "live", false, "only live ones")
	flags.IntVar(&query.Limit, "limit", 50, "rows a page")
	flags.StringVar(&query.Cursor, "cursor", "", "the page after this")
	return command
}

// sessionOf takes a session id, or a request id with exactly one session.
func sessionOf(ctx context.Context, client *api.Client, id string) (string, error) {
	if !strings.HasPrefix(id, "req-") {
		return id, nil
	}
	page, err := client.Sessions(ctx, api.SessionsQuery{Request: id, Limit: 2})
	if err != nil {
		return "", err
	}
	switch len(page.Items) {
	case 0:
		return "", fmt.Errorf("request %s has no session that you may see", id)
	case 1:
		return page.Items[0].ID, nil
	default:
		return "", fmt.Errorf("request %s has several sessions; name one of: stint sessions --request %s", id, id)
	}
}

// idPattern is how sessions and requests are named.
var idPattern = regexp.MustCompile(`^([0-9a-f]{32}|req-[A-Za-z0-9_-]+)$`)

// openRecording streams a recording from the broker, or from a file where the
// argument names one.
func openRecording(ctx context.Context, e *environment, what string) (io.ReadCloser, error) {
	// What is written like an id is one, whatever files lie about here.
	if !idPattern.MatchString(what) {
		if file, err := os.Open(what); err == nil {
			return file, nil
		}
	}
	_, client, err := signedIn(e)
	if err != nil {
		return nil, err
	}
	session, err := sessionOf(ctx, client, what)
	if err != nil {
		return nil, err
	}
	return client.Recording(ctx, session)
}

func playCommand(e *environment) *cobra.Command {
	var speed float64
	var idle time.Duration
	command := &cobra.Command{
		Use:   "play ID",
		Short: "Replay a recorded session in this terminal",
		Long:  "Replay a recorded session in this terminal. ID is a session, a request with one session, or a file. What could act on your terminal is left out.",
		Args:  exactly(1, "name the session; see: stint sessions"),
		RunE: func(command *cobra.Command, arguments []string) error {
			if speed <= 0 || idle < 0 {
				return &usageError{errors.New("--speed is above 0 and --idle not negative")}
			}
			recording, err := openRecording(command.Context(), e, arguments[0])
			if err != nil {
				return err
			}
			defer recording.Close()
			return play(command.Context(), e, recording, speed, idle)
		},
	}
	command.Flags().Float64Var(&speed, "speed", 1, "how many times as fast")
	command.Flags().DurationVar(&idle, "idle", 2*time.Second, "longest pause to sit through; 0 for all of it")
	return command
}

// stream is one stream of one channel.
type stream struct {
	channel uint32
	kind    cast.Kind
}

// maxStreams bounds the streams that are kept apart.
const maxStreams = 1024

// play writes a recording's output at the pace it came, made inert.
func play(ctx context.Context, e *environment, recording io.Reader, speed float64, idle time.Duration) error {
	reader, err := cast.NewReader(recording)
	if err != nil {
		return &unprovenError{err}
	}
	// A filter for each stream: one alone would take what a stream says in the midst
	// of another's control string for a part of that, and show nothing of it.
	screens := make(map[stream]*cast.InertWriter)
	defer func() {
		for _, screen := range screens {
			screen.Close()
		}
	}()
	var last time.Duration
	packets := make(map[uint32]bool)
	for {
		event, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &unprovenError{err}
		}
		data := shown(event, packets)
		if data == nil {
			continue
		}
		pause := event.Offset - last
		last = event.Offset
		if idle > 0 {
			pause = min(pause, idle)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Duration(float64(pause) / speed)):
		}
		from := stream{event.Channel, event.Body.Kind()}
		if len(screens) >= maxStreams && screens[from] == nil {
			from = stream{} // beyond the bound they share one
		}
		if screens[from] == nil {
			screens[from] = cast.NewInertWriter(e.out)
		}
		if _, err := screens[from].Write(data); err != nil {
			return err
		}
	}
}

// shown is what a replay shows of an event; nil for nothing. It notes in packets which
// channels speak to a program and not to a screen: of them the files are shown.
func shown(event cast.Event, packets map[uint32]bool) []byte {
	switch body := event.Body.(type) {
	case cast.ChannelOpen:
		delete(packets, event.Channel)
		if body.Type == cast.Subsystem && len(packets) < maxStreams {
			packets[event.Channel] = true
		}
	case cast.Output:
		if !packets[event.Channel] {
			return body
		}
	case cast.ErrorOutput:
		return body
	case cast.FileOperation:
		return []byte(cast.Remark(body) + "\n")
	case cast.Bulk:
		if body.File == 0 { // of a file enough is told when it is closed
			return []byte("\n" + cast.Remark(body) + "\n")
		}
	}
	return nil
}

func exportCommand(e *environment) *cobra.Command {
	var kind string
	var options cast.ExportOptions
	command := &cobra.Command{
		Use:   "export ID --format asciicast-v2|asciicast-v3|text|recording",
		Short: "Write a recorded session to standard output in another format",
		Args:  exactly(1, "name the session; see: stint sessions"),
		RunE: func(command *cobra.Command, arguments []string) error {
			export := map[string]func(io.Writer, io.Reader, cast.ExportOptions) error{
				"asciicast-v2": cast.Asciicast2,
				"asciicast-v3": cast.Asciicast3,
				"text":         cast.Text,
				"recording": func(w io.Writer, r io.Reader, _ cast.ExportOptions) error {
					_, err := io.Copy(w, r)
					return err
				},
			}[kind]
			if export == nil {
				return &usageError{fmt.Errorf("--format is asciicast-v2, asciicast-v3, text or recording, not %q", kind)}
			}
			recording, err := openRecording(command.Context(), e, arguments[0])
			if err != nil {
				return err
			}
			defer recording.Close()
			err = export(e.out, recording, options)
			if errors.Is(err, cast.ErrCut) || errors.Is(err, cast.ErrCorrupt) {
				return &unprovenError{err}
			}
			return err
		},
	}
	command.Flags().StringVar(&kind, "format", "asciicast-v2", "asciicast-v2, asciicast-v3, text or recording (as it was recorded)")
	command.Flags().BoolVar(&options.Input, "input", false, "also what was typed, passwords included")
	return command
}
