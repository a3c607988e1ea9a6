package screen

// selectGraphics is SGR.
func (s *Screen) selectGraphics(p *parameters) {
	a := &s.attributes
	for i := 0; i < p.length; i++ {
		switch value := p.values[i]; {
		case value >= 30 && value <= 37:
			a.fg = a.fg&^colourMask | modeBasic | uint32(value-30)
		case value >= 40 && value <= 47:
			a.bg = a.bg&^colourMask | modeBasic | uint32(value-40)
		case value >= 90 && value <= 97:
			a.fg = a.fg&^colourMask | modeBasic | uint32(value-90) | 8
		case value >= 100 && value <= 107:
			a.bg = a.bg&^colourMask | modeBasic | uint32(value-100) | 8
		case value == 4:
			style := int32(1)
			if sub := p.sub(i); len(sub) > 0 {
				style = sub[0]
			}
			a.setUnderline(style)
		case value == 38 || value == 48 || value == 58:
			i += a.setColour(p, i)
		default:
			a.setFlag(value)
		}
	}
}

// setFlag does what a parameter alone says.
func (a *attributes) setFlag(value int32) {
	switch value {
	case 0:
		a.fg, a.bg, a.underline = 0, 0, 0
	case 1:
		a.fg |= flagBold
	case 2:
		a.bg |= flagDim
	case 3:
		a.bg |= flagItalic
	case 5:
		a.fg |= flagBlink
	case 7:
		a.fg |= flagInverse
	case 8:
		a.fg |= flagInvisible
	case 9:
		a.fg |= flagStrikethrough
	case 21:
		a.setUnderline(2)
	case 22:
		a.fg &^= flagBold
		a.bg &^= flagDim
	case 23:
		a.bg &^= flagItalic
	case 24:
		a.setUnderline(0)
	case 25:
		a.fg &^= flagBlink
	case 27:
		a.fg &^= flagInverse
	case 28:
		a.fg &^= flagInvisible
	case 29:
		a.fg &^= flagStrikethrough
	case 39:
		a.fg &^= colourMask
	case 49:
		a.bg &^= colourMask
	case 53:
		a.bg |= flagOverline
	case 55:
		a.bg &^= flagOverline
	case 59:
		// xterm.js means no colour of its own here, and keeps white.
		a.underline |= colourMask
		a.updateExtended()
	}
}

func (a *attributes) setUnderline(style int32) {
	if style < 0 || style > 5 {
		style = 1
	}
	a.underline = a.underline&^underlineStyleMask | uint32(style)<<underlineStyleShift
	a.fg |= flagUnderline
	if style == 0 {
		a.fg &^= flagUnderline
	}
	a.updateExtended()
}

// setColour reads a colour of 256, or of red, green and blue, from the parameters
// at position, in all ways of writing one. It returns how many it took besides.
func (a *attributes) setColour(p *parameters, position int) int {
	// What it is for, the kind, the colour space, and up to three numbers.
	values := [8]int32{2: -1}
	space, taken := 0, 0
	for {
		values[taken+space] = p.values[position+taken]
		if sub := p.sub(position + taken); len(sub) > 0 {
			for i, last := 0, 5; i < len(sub) && (i == 0 || taken+i+1+space <= last); i++ {
				if values[1] == 5 {
					space = 1
				}
				values[taken+i+1+space] = sub[i]
				last = max(last, taken+i+1+space)
			}
			break
		}
		if values[1] == 5 && taken+space >= 2 || values[1] == 2 && taken+space >= 5 {
			break
		}
		if values[1] != 0 {
			space = 1
		}
		taken++
		if taken+position >= p.length || taken+space >= 6 {
			break
		}
	}
	for i := 2; i < len(values); i++ {
		if values[i] == -1 {
			values[i] = 0
		}
	}
	target := &a.underline
	switch values[0] {
	case 38:
		target = &a.fg
	case 48:
		target = &a.bg
	}
	switch values[1] {
	case 2:
		rgb := uint32(values[3]&0xFF)<<16 | uint32(values[4]&0xFF)<<8 | uint32(values[5]&0xFF)
		*target = *target&^colourMask | modeRGB | rgb
	case 5:
		*target = *target&^colourMask | modePalette | uint32(values[3]&0xFF)
	}
	return taken
}
