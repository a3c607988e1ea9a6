package files

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"stint/recorder/cast"
)

const (
	maxLine  = 8 << 10 // of the scp protocol
	maxDepth = 256     // of directories in one another
)

// SCP records a channel that runs a command, and tells of files as the scp protocol has
// them (there is no standard; OpenSSH's scp.c is what all follow). It returns false for
// any command but scp -t and scp -f with nothing else in it. With keep the content of
// files is kept, too.
func SCP(sink Sink, command string, keep bool) (Recorder, bool) {
	c, ok := readCommand(command)
	if !ok {
		return nil, false
	}
	r := newParsed("the scp protocol", sink, keep)
	s := &scp{parsed: r, command: c, operation: cast.WriteFile, source: &r.input, owed: owedStart}
	if c.sends {
		s.operation, s.source = cast.ReadFile, &r.output
	}
	r.protocol = s
	return r, true
}

// scp is what is known of both sides. One, the source, sends lines and the content of
// files, and waits after each for the other, the sink, to say yes.
type scp struct {
	*parsed
	command   scpCommand
	operation cast.Operation
	source    *stream
	owed      owed
	line      []byte // of the source's, as far as it is there
	answer    []byte // of the sink's, as far as it is there
	over      bool   // the source said that it goes no further

	directories []string
	times       string              // of the next file or directory, in words
	event       *cast.FileOperation // of the file or directory that was named last
	left        uint64              // of its content
	status      bool                // the content is through, and how the source fared comes
	failed      string              // what the source said of that
	content     *content
	opened      uint64
}

// owed is what the sink has to say something to.
type owed int

const (
	owedNothing owed = iota
	owedStart
	owedFile      // that is to come
	owedDirectory // that is entered
	owedContent   // that came
	owedTimes
	owedLeave // that the directory is left
)

// read implements protocol.
func (p *scp) read(s *stream) error {
	for len(s.rest()) > 0 {
		var err error
		switch {
		case s != p.source:
			err = p.readAnswer(s)
		case p.owed != owedNothing || p.over:
			return errOrder // nothing may come before the sink's yes
		case p.content != nil && p.left > 0:
			n := int(min(p.left, uint64(len(s.rest()))))
			p.left -= uint64(n)
			s.leaveOut(n, p.content)
			p.status = p.left == 0
		default:
			err = p.readLine(s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// gather takes the next bytes up to the end of a line, and tells whether that is there.
// An answer of success is the byte 0 alone.
func gather(s *stream, line *[]byte, zero bool) (whole bool, err error) {
	rest := s.rest()
	if zero && len(*line) == 0 && rest[0] == 0 {
		*line = append(*line, 0)
		s.keep(1)
		return true, nil
	}
	end := bytes.IndexByte(rest, '\n')
	n := end + 1
	if end < 0 {
		n = len(rest)
	}
	if len(*line)+n > maxLine {
		return false, errLength
	}
	*line = append(*line, rest[:n]...)
	s.keep(n)
	return end >= 0, nil
}

// complaint is what one side says of a failure: a byte 1, or 2 if it is the last it says,
// and a line.
func complaint(line []byte) (text string, last, ok bool) {
	if len(line) < 2 || line[0] != 1 && line[0] != 2 {
		return "", false, false
	}
	text = string(bytes.TrimRight(line[1:], "\n"))
	return text[:min(len(text), maxMessage)], line[0] == 2, true
}

// readLine reads what the source says.
func (p *scp) readLine(s *stream) error {
	whole, err := gather(s, &p.line, p.status)
	if err != nil || !whole {
		return err
	}
	line := p.line
	p.line = p.line[:0]
	text, last, complains := complaint(line)
	switch {
	case p.status: // how it fared with the content
		if !complains && line[0] != 0 {
			return errText
		}
		p.status, p.failed, p.owed, p.over = false, text, owedContent, last
		return nil
	case complains: // of something that it does not send; nobody answers
		p.over = last
		p.event = &cast.FileOperation{Operation: p.operation, Other: p.command.path}
		p.finishEvent(outcomeFailure, text)
		return nil
	case line[0] == 'E' && len(line) == 2:
		if len(p.directories) == 0 {
			return errText
		}
		p.owed = owedLeave
		return nil
	}
	return p.readName(string(line[:len(line)-1]))
}

var (
	namePattern  = regexp.MustCompile(`^([CD])([0-7]{4,5}) ([0-9]{1,18}) ((?s:.+))$`)
	timesPattern = regexp.MustCompile(`^T([0-9]{1,11}) ([0-9]{1,9}) ([0-9]{1,11}) ([0-9]{1,9})$`)
)

// readName reads a line that names a file or directory, or the times of the next.
func (p *scp) readName(line string) error {
	if m := timesPattern.FindStringSubmatch(line); m != nil {
		modified, _ := strconv.ParseInt(m[1], 10, 64)
		accessed, _ := strconv.ParseInt(m[3], 10, 64)
		p.times, p.owed = timeWords(accessed, modified), owedTimes
		return nil
	}
	m := namePattern.FindStringSubmatch(line)
	if m == nil || len(p.directories) >= maxDepth {
		return errText
	}
	mode, _ := strconv.ParseUint(m[2], 8, 32)
	p.event = &cast.FileOperation{
		Operation: p.operation, Path: strings.Join(append(p.directories, m[4]), "/"), Other: p.command.path,
		Mode: fmt.Sprintf("%04o", mode), Attributes: p.times,
	}
	if len(p.event.Path) > maxSmall {
		return errTooMuch
	}
	p.times = ""
	if m[1] == "D" {
		if p.event.Operation = cast.MakeDirectory; p.command.sends {
			p.event.Operation = cast.ListDirectory
		}
		p.directories = append(p.directories, m[4])
		p.owed = owedDirectory
		return nil
	}
	p.left, _ = strconv.ParseUint(m[3], 10, 64)
	p.owed = owedFile
	return nil
}

// readAnswer reads what the sink says.
func (p *scp) readAnswer(s *stream) error {
	if p.owed == owedNothing {
		return errOrder
	}
	whole, err := gather(s, &p.answer, true)
	if err != nil || !whole {
		return err
	}
	text, last, complains := complaint(p.answer)
	if !complains && p.answer[0] != 0 {
		return errText
	}
	p.answer = p.answer[:0]
	p.over = p.over || last
	p.answered(complains, text)
	return nil
}

// answered goes on after the sink's word.
func (p *scp) answered(refused bool, why string) {
	was := p.owed
	p.owed = owedNothing
	outcome := outcomeOK
	if refused {
		outcome = outcomeFailure
	}
	switch was {
	case owedFile:
		if refused {
			p.left = 0
			p.finishEvent(outcome, why)
			return
		}
		p.opened++
		p.content = &content{}
		p.content.begin(p.opened, 0)
		p.status = p.left == 0
	case owedDirectory:
		p.finishEvent(outcome, why)
		if refused {
			p.directories = p.directories[:len(p.directories)-1]
		}
	case owedLeave:
		p.directories = p.directories[:len(p.directories)-1]
	case owedContent:
		if !refused && p.failed != "" {
			outcome, why = outcomeFailure, p.failed
		}
		p.finishEvent(outcome, why)
	}
}

// finishEvent tells of what was named last.
func (p *scp) finishEvent(outcome, message string) {
	event := p.event
	event.Outcome, event.Message = outcome, message
	if p.content != nil {
		p.source.tell()
		event.Number = p.content.number
		p.content.fill(event)
		event.Whole = outcome == outcomeOK
	}
	p.event, p.content, p.left, p.status, p.failed = nil, nil, 0, false, ""
	p.parsed.event(*event)
}

// end implements protocol.
func (p *scp) end() {
	if p.event != nil {
		p.finishEvent(outcomeUnanswered, "")
	}
}
