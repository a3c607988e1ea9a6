package screen

import "strconv"

// visible is what of attributes can be seen.
func visible(a attributes) attributes {
	style := a.underlineStyle()
	seen := attributes{fg: a.fg &^ flagUnderline, bg: a.bg &^ flagExtended}
	if style != 0 {
		seen.fg |= flagUnderline
		seen.bg |= flagExtended
		seen.underline = style << underlineStyleShift
		if a.bg&flagExtended != 0 {
			seen.underline |= a.underline & colourMask
		}
	}
	return seen
}

// setAttributes has the terminal write with attributes, as far as they show.
func (k *keyframe) setAttributes(to attributes) {
	to = visible(to)
	if to == k.attributes {
		return
	}
	k.attributes = to
	k.add("\x1b[0")
	for _, flag := range []struct {
		text string
		set  uint32
	}{
		{";1", to.fg & flagBold}, {";2", to.bg & flagDim}, {";3", to.bg & flagItalic}, {";5", to.fg & flagBlink},
		{";7", to.fg & flagInverse}, {";8", to.fg & flagInvisible}, {";9", to.fg & flagStrikethrough}, {";53", to.bg & flagOverline},
	} {
		if flag.set != 0 {
			k.add(flag.text)
		}
	}
	if style := to.underlineStyle(); style != 0 {
		k.add(";4:" + strconv.Itoa(int(style)))
	}
	k.colour(30, to.fg)
	k.colour(40, to.bg)
	k.colour(50, to.underline)
	k.add("m")
	if to.bg&flagProtected != 0 {
		k.add("\x1b[1\"q") // after SGR 0, which takes it
	}
}

// colour adds the parameters of a colour: from 30 on the foreground's, from 40 on
// the background's, from 50 on the underline's, which is never a basic one.
func (k *keyframe) colour(base int, colour uint32) {
	index := int(colour & indexMask)
	switch colour & modeMask {
	case modeBasic:
		if index >= 8 {
			base += 60 - 8
		}
		k.add(";" + strconv.Itoa(base+index))
	case modePalette:
		k.add(";" + strconv.Itoa(base+8) + ":5:" + strconv.Itoa(index))
	case modeRGB:
		k.add(";" + strconv.Itoa(base+8) + ":2:")
		for shift := 16; shift >= 0; shift -= 8 {
			k.add(":" + strconv.Itoa(int(colour>>shift&0xFF)))
		}
	}
}
