package screen

// The bounds of a control sequence's parameters, as xterm.js has them.
const (
	maxParameters    = 32
	maxSubparameters = 32
	maxValue         = 0x7FFFFFFF
)

// maxMark bounds the text of an operating system command that is kept. Longer
// ones are dropped.
const maxMark = 8 << 10

// parameters are the numbers of a control sequence. Each may have subparameters,
// behind colons; -1 is one that was left out.
type parameters struct {
	values         [maxParameters]int32
	length         int
	subvalues      [maxSubparameters]int32
	sublength      int
	substart       [maxParameters]uint8
	subend         [maxParameters]uint8
	rejectDigit    bool
	rejectSubdigit bool
	inSub          bool
}

// reset leaves one parameter, zero.
func (p *parameters) reset() {
	p.length, p.sublength = 0, 0
	p.rejectDigit, p.rejectSubdigit, p.inSub = false, false, false
	p.add()
}

func (p *parameters) add() {
	p.inSub = false
	if p.length >= maxParameters {
		p.rejectDigit = true
		return
	}
	p.substart[p.length], p.subend[p.length] = uint8(p.sublength), uint8(p.sublength)
	p.values[p.length] = 0
	p.length++
}

func (p *parameters) addSub() {
	p.inSub = true
	if p.rejectDigit || p.sublength >= maxSubparameters {
		p.rejectSubdigit = true
		return
	}
	p.subvalues[p.sublength] = -1
	p.sublength++
	p.subend[p.length-1]++
}

func (p *parameters) addDigit(digit int32) {
	if p.rejectDigit || p.inSub && (p.rejectSubdigit || p.sublength == 0) {
		return
	}
	value := &p.values[p.length-1]
	if p.inSub {
		value = &p.subvalues[p.sublength-1]
	}
	if *value == -1 {
		*value = digit
		return
	}
	*value = int32(min(int64(*value)*10+int64(digit), maxValue))
}

// sub returns the subparameters of a parameter.
func (p *parameters) sub(i int) []int32 { return p.subvalues[p.substart[i]:p.subend[i]] }

// count is a parameter that says how often; none or zero is once.
func (p *parameters) count(i int) int {
	if i >= p.length || p.values[i] == 0 {
		return 1
	}
	return int(p.values[i])
}

// parser is where a stream of code points is in a control sequence.
type parser struct {
	state      state
	parameters parameters
	// collected are the prefix and intermediate characters, the last one lowest.
	collected uint32
	// joinWidth is the width of the character that was just printed, and 0 after
	// anything else: what a combining character joins, and REP repeats.
	joinWidth int
	osc       []byte
	oscOver   bool // more than maxMark
}

func (p *parser) clear() {
	p.parameters.reset()
	p.collected = 0
}

// decoder turns UTF-8 into code points. What is not UTF-8 is dropped, as is the
// byte order mark. It makes no difference where the bytes are split.
type decoder struct {
	code    rune
	length  int     // of the sequence
	missing int     // bytes of it
	held    [3]byte // what came of it
}

// next takes a byte. again says that the byte ended a broken sequence and has to
// be given once more.
func (d *decoder) next(b byte) (code rune, ok, again bool) {
	if d.missing > 0 {
		if b&0xC0 != 0x80 {
			d.missing = 0
			return 0, false, true
		}
		d.code = d.code<<6 | rune(b&0x3F)
		d.missing--
		if d.missing > 0 {
			d.held[d.length-d.missing-1] = b
			return 0, false, false
		}
		return d.code, d.valid(), false
	}
	switch {
	case b < 0x80:
		return rune(b), true, false
	case b&0xE0 == 0xC0:
		d.code, d.length = rune(b&0x1F), 2
	case b&0xF0 == 0xE0:
		d.code, d.length = rune(b&0x0F), 3
	case b&0xF8 == 0xF0:
		d.code, d.length = rune(b&0x07), 4
	default:
		return 0, false, false
	}
	d.missing = d.length - 1
	d.held[0] = b
	return 0, false, false
}

func (d *decoder) valid() bool {
	switch d.length {
	case 2:
		return d.code >= 0x80
	case 3:
		return d.code >= 0x800 && (d.code < 0xD800 || d.code > 0xDFFF) && d.code != 0xFEFF
	default:
		return d.code >= 0x10000 && d.code <= 0x10FFFF
	}
}

// pending are the bytes of a sequence that is not complete.
func (d *decoder) pending() []byte {
	if d.missing == 0 {
		return nil
	}
	return d.held[:d.length-d.missing]
}

// Write shows what a program wrote. It never fails.
func (s *Screen) Write(data []byte) (int, error) {
	s.advance(data)
	s.endRun()
	return len(data), nil
}

// advance takes bytes of a stream. It makes no difference how they are split.
func (s *Screen) advance(data []byte) {
	for i := 0; i < len(data); {
		if s.parser.state == ground && s.decoder.missing == 0 {
			from := i
			for i < len(data) && data[i]-0x20 < 0x5F {
				i++
			}
			if i > from {
				s.printASCII(data[from:i])
				continue
			}
		}
		code, ok, again := s.decoder.next(data[i])
		if !again {
			i++
		}
		if ok {
			s.step(code)
		}
	}
}

// step takes one code point through the state machine.
func (s *Screen) step(code rune) {
	p := &s.parser
	t := transitions[p.state][min(code, nonASCII)]
	if t.action == printRune {
		if !s.printing {
			s.beginRun()
		}
		s.print(code)
		return
	}
	s.endRun()
	next := t.next
	switch t.action {
	case execute:
		s.execute(code)
		p.joinWidth = 0
	case csiDispatch:
		s.control(p.collected<<8|uint32(code), &p.parameters)
		p.joinWidth = 0
	case parameter:
		switch code {
		case ';':
			p.parameters.add()
		case ':':
			p.parameters.addSub()
		default:
			p.parameters.addDigit(code - '0')
		}
	case collect:
		p.collected = p.collected<<8 | uint32(code)
	case escapeDispatch:
		s.escape(p.collected<<8 | uint32(code))
		p.joinWidth = 0
	case clearSequence:
		p.clear()
	case dcsUnhook:
		next = s.endString(code)
	case oscStart:
		p.osc, p.oscOver = p.osc[:0], false
	case oscPut:
		if s.hooks.Mark != nil {
			p.put(code)
		}
	case oscEnd:
		if code != 0x18 && code != 0x1A && s.hooks.Mark != nil && !p.oscOver {
			s.mark(p.osc)
		}
		next = s.endString(code)
	}
	p.state = next
}

// endString ends a string; ESC begins its own end, or another sequence.
func (s *Screen) endString(code rune) state {
	s.parser.clear()
	s.parser.joinWidth = 0
	if code == 0x1B {
		return escape
	}
	return ground
}

func (p *parser) put(code rune) {
	if len(p.osc) >= maxMark {
		p.oscOver = true
		return
	}
	p.osc = appendRune(p.osc, code)
}
