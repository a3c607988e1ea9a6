package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"stint/policies"
	"stint/server/api"
)

func isTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }

// plain makes text from elsewhere fit for a terminal: control and formatting
// characters could act on it or disguise what it says.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, text)
}

// format is the value of --output.
type format string

// formatFlag adds -o to a command.
func formatFlag(command *cobra.Command, f *format) {
	command.Flags().StringVarP((*string)(f), "output", "o", "table", "table or json")
}

// check refuses formats that do not exist.
func (f format) check() error {
	if f != "table" && f != "json" {
		return &usageError{fmt.Errorf("--output is table or json, not %q", string(f))}
	}
	return nil
}

// reading completes a command that shows what the broker answers: signed in, it
// fetches, and prints the API's own JSON or what show makes of it.
func reading[T any](e *environment, command *cobra.Command, fetch func(context.Context, *api.Client, []string) (T, error), show func(T) error) *cobra.Command {
	var output format
	formatFlag(command, &output)
	command.RunE = func(command *cobra.Command, arguments []string) error {
		if err := output.check(); err != nil {
			return err
		}
		_, client, err := signedIn(e)
		if err != nil {
			return err
		}
		answer, err := fetch(command.Context(), client, arguments)
		if err != nil {
			return err
		}
		if output == "json" {
			return printJSON(e.out, answer)
		}
		return show(answer)
	}
	return command
}

// printJSON writes a value as indented JSON.
func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// table writes rows under a head, aligned. Cells are made plain.
func table(w io.Writer, head []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(head, "\t"))
	for _, row := range rows {
		for i := range row {
			row[i] = plain(row[i])
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// tablePage is table for one page of a list; cursor leads to the next.
func tablePage(w io.Writer, head []string, rows [][]string, cursor string) error {
	if err := table(w, head, rows); err != nil {
		return err
	}
	if cursor != "" {
		fmt.Fprintf(w, "There are more: give the same command with --cursor %s\n", plain(cursor))
	}
	return nil
}

// seconds shows a length of time as people type it.
func seconds(n int64) string { return policies.FormatDuration(time.Duration(n) * time.Second) }

// clock shows a moment in the reader's zone, named.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

// left shows how long until a moment, to the second.
func left(until, now time.Time) string {
	d := until.Sub(now).Truncate(time.Second)
	if d <= 0 {
		return "over"
	}
	return policies.FormatDuration(d) + " left"
}
