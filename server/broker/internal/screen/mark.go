package screen

import (
	"strconv"
	"strings"
)

// MarkKind says what a shell told: the prompt begins, the command line begins,
// the command begins, the command ended, or which folder is the shell's.
type MarkKind string

// The marks of FinalTerm's protocol (OSC 133, iTerm2, VTE, Windows Terminal), of
// Visual Studio Code's (OSC 633), and the working folder (OSC 7, OSC 633 P Cwd,
// OSC 1337 CurrentDir).
const (
	PromptBegins  MarkKind = "prompt"
	InputBegins   MarkKind = "input"
	CommandBegins MarkKind = "command"
	CommandEnds   MarkKind = "end"
	WorkingFolder MarkKind = "folder"
)

// Mark is what a shell said about itself. A program can say anything: it is a help
// for finding one's way, and no evidence.
type Mark struct {
	Kind MarkKind
	// Text is the command line for CommandBegins, as it stood on the screen or as
	// the shell told it; the exit status for CommandEnds, as told, or nothing; the
	// folder, or a file URL of it, for WorkingFolder.
	Text string
}

// place is where the command line began: a line, counted from the stream's first
// one on, and a column.
type place struct {
	buffer *buffer
	line   int64
	x      int
}

// mark reads an operating system command.
func (s *Screen) mark(text []byte) {
	code, rest, _ := strings.Cut(string(text), ";")
	kind, rest, _ := strings.Cut(rest, ";")
	switch code {
	case "133", "633":
		s.shellMark(code, kind, rest)
	case "7":
		s.hooks.Mark(Mark{WorkingFolder, kind})
	case "1337":
		if folder, ok := strings.CutPrefix(kind, "CurrentDir="); ok {
			s.hooks.Mark(Mark{WorkingFolder, folder})
		}
	}
}

func (s *Screen) shellMark(code, kind, rest string) {
	b := s.active
	switch kind {
	case "A":
		s.input, s.told = place{}, ""
		s.hooks.Mark(Mark{Kind: PromptBegins})
	case "B":
		s.input = place{b, b.lines.trimmed + int64(b.base+b.y), b.x}
		s.hooks.Mark(Mark{Kind: InputBegins})
	case "C":
		command := s.told
		if command == "" {
			command = s.inputText()
		}
		s.input, s.told = place{}, ""
		s.hooks.Mark(Mark{CommandBegins, command})
	case "D":
		status, _, _ := strings.Cut(rest, ";")
		s.hooks.Mark(Mark{CommandEnds, status})
	case "E":
		command, _, _ := strings.Cut(rest, ";")
		if code == "633" {
			s.told = unescape(command)
		}
	case "P":
		if folder, ok := strings.CutPrefix(rest, "Cwd="); ok && code == "633" {
			s.hooks.Mark(Mark{WorkingFolder, unescape(folder)})
		}
	}
}

// inputText is what stands between where the input began and the cursor.
func (s *Screen) inputText() string {
	b := s.active
	if s.input.buffer != b {
		return ""
	}
	first, last := int(s.input.line-b.lines.trimmed), b.base+b.y
	if first < 0 || last-first > mostRows {
		return ""
	}
	var text []byte
	for i := first; i <= last; i++ {
		row, from := b.lines.get(i), 0
		if row == nil {
			return ""
		}
		if i == first {
			from = s.input.x
		} else if !row.wrapped {
			text = append(text, '\n')
		}
		to := row.trimmedLength()
		if i == last {
			to = min(to, b.x)
		}
		text = row.appendText(text, from, to)
	}
	return strings.TrimSpace(string(text))
}

// unescape reads what Visual Studio Code's shells escape: \\ and \xHH.
func unescape(text string) string {
	var plain strings.Builder
	for text != "" {
		before, after, found := strings.Cut(text, `\`)
		plain.WriteString(before)
		text = after
		if !found {
			break
		}
		if len(after) >= 3 && after[0] == 'x' {
			if code, err := strconv.ParseUint(after[1:3], 16, 8); err == nil {
				plain.WriteByte(byte(code))
				text = after[3:]
				continue
			}
		}
		plain.WriteByte('\\')
		text = strings.TrimPrefix(after, `\`)
	}
	return plain.String()
}
