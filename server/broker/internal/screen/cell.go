package screen

// A cell's content holds a code point, whether the cell holds a combined string
// instead, and the width. The width is kept XOR 1, so that the zero cell is what
// a terminal begins with: nothing, one column wide, in default colours. That
// makes clearing a line a plain clearing of memory.
const (
	codePointMask = 0x1FFFFF
	combinedFlag  = 0x200000
	contentMask   = codePointMask | combinedFlag
	widthShift    = 22
)

// Colours are held as xterm.js holds them: a mode in bits 24 and 25, below it an
// index or red, green and blue.
const (
	colourMask  = 0x3FFFFFF
	modeMask    = 0x3000000
	modeBasic   = 0x1000000 // the index of one of 16
	modePalette = 0x2000000 // the index of one of 256
	modeRGB     = 0x3000000
	indexMask   = 0xFF
	rgbMask     = 0xFFFFFF
)

// Flags beside the foreground colour.
const (
	flagInverse       = 0x4000000
	flagBold          = 0x8000000
	flagUnderline     = 0x10000000
	flagBlink         = 0x20000000
	flagInvisible     = 0x40000000
	flagStrikethrough = 0x80000000
)

// Flags beside the background colour.
const (
	flagItalic    = 0x4000000
	flagDim       = 0x8000000
	flagExtended  = 0x10000000 // the attributes' underline field counts
	flagProtected = 0x20000000
	flagOverline  = 0x40000000
)

// The underline field: its colour, and the style above it.
const (
	underlineStyleShift = 26
	underlineStyleMask  = 7 << underlineStyleShift
)

// attributes are what SGR sets: foreground and background with their flags, and
// the underline's colour and style.
type attributes struct {
	fg, bg, underline uint32
}

// erased is what erasing leaves: the background colour alone.
func (a attributes) erased() attributes {
	return attributes{bg: a.bg & colourMask}
}

// updateExtended says in the background whether there is an underline style.
func (a *attributes) updateExtended() {
	if a.underline&underlineStyleMask == 0 {
		a.bg &^= flagExtended
	} else {
		a.bg |= flagExtended
	}
}

// underlineStyle is the style that is drawn: 0 none, 1 single, 2 double, 3 curly,
// 4 dotted, 5 dashed.
func (a attributes) underlineStyle() uint32 {
	switch {
	case a.fg&flagUnderline == 0:
		return 0
	case a.bg&flagExtended == 0:
		return 1
	default:
		return a.underline & underlineStyleMask >> underlineStyleShift
	}
}

// cell is one place on the screen.
type cell struct {
	content uint32
	attributes
}

func newCell(code rune, width int, a attributes) cell {
	return cell{uint32(code) | uint32(width^1)<<widthShift, a}
}

// blank is an empty cell with attributes.
func blank(a attributes) cell { return cell{0, a} }

func (c cell) width() int       { return int(c.content>>widthShift) ^ 1 }
func (c cell) hasContent() bool { return c.content&contentMask != 0 }
func (c cell) isCombined() bool { return c.content&combinedFlag != 0 }
func (c cell) codePoint() rune  { return rune(c.content & codePointMask) }
