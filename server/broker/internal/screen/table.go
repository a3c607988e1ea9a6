package screen

// The parser is Paul Williams' state machine for DEC terminals
// (https://vt100.net/emu/dec_ansi_parser), with the transitions of xterm.js.

type state uint8

const (
	ground state = iota
	escape
	escapeIntermediate
	csiEntry
	csiParameter
	csiIntermediate
	csiIgnore
	ignoredString // SOS, PM, APC
	oscString
	dcsEntry
	dcsParameter
	dcsIgnore
	dcsIntermediate
	dcsPassthrough
	states
)

type action uint8

const (
	ignore action = iota
	invalid
	printRune
	execute
	oscStart
	oscPut
	oscEnd
	csiDispatch
	parameter
	collect
	escapeDispatch
	clearSequence
	dcsHook
	dcsPut
	dcsUnhook
)

// nonASCII stands for every code point from U+00A0 on.
const nonASCII = 0xA0

type transition struct {
	action action
	next   state
}

var transitions = makeTransitions()

func makeTransitions() (table [states][nonASCII + 1]transition) {
	for s := range table {
		for code := range table[s] {
			table[s][code] = transition{invalid, ground}
		}
	}
	// add sets the transition for the codes from to up to and with to.
	add := func(s state, from, to int, a action, next state) {
		for code := from; code <= to; code++ {
			table[s][code] = transition{a, next}
		}
	}
	controls := func(s state, a action, next state) {
		add(s, 0x00, 0x17, a, next)
		add(s, 0x19, 0x19, a, next)
		add(s, 0x1C, 0x1F, a, next)
	}
	add(ground, 0x20, 0x7E, printRune, ground)
	for s := range states {
		add(s, 0x18, 0x18, execute, ground)
		add(s, 0x1A, 0x1A, execute, ground)
		add(s, 0x1B, 0x1B, clearSequence, escape)
		add(s, 0x80, 0x97, execute, ground)
		add(s, 0x99, 0x9A, execute, ground)
		add(s, 0x90, 0x90, clearSequence, dcsEntry)
		add(s, 0x98, 0x98, ignore, ignoredString)
		add(s, 0x9B, 0x9B, clearSequence, csiEntry)
		add(s, 0x9C, 0x9C, ignore, ground)
		add(s, 0x9D, 0x9D, oscStart, oscString)
		add(s, 0x9E, 0x9F, ignore, ignoredString)
	}
	for _, s := range []state{ground, escape, escapeIntermediate, csiEntry, csiParameter, csiIntermediate, csiIgnore} {
		controls(s, execute, s)
		if s != ground {
			add(s, 0x7F, 0x7F, ignore, s)
		}
	}
	add(ground, nonASCII, nonASCII, printRune, ground)

	controls(oscString, ignore, oscString)
	add(escape, 0x5D, 0x5D, oscStart, oscString)
	add(oscString, 0x20, 0x7F, oscPut, oscString)
	add(oscString, nonASCII, nonASCII, oscPut, oscString)
	for _, code := range []int{0x07, 0x18, 0x1A, 0x1B, 0x9C} {
		add(oscString, code, code, oscEnd, ground)
	}

	for _, code := range []int{0x58, 0x5E, 0x5F} {
		add(escape, code, code, ignore, ignoredString)
	}
	add(ignoredString, 0x20, 0x7F, ignore, ignoredString)
	controls(ignoredString, ignore, ignoredString)

	add(escape, 0x5B, 0x5B, clearSequence, csiEntry)
	for _, s := range []state{csiEntry, csiParameter} {
		add(s, 0x20, 0x2F, collect, csiIntermediate)
		add(s, 0x30, 0x3B, parameter, csiParameter)
		add(s, 0x40, 0x7E, csiDispatch, ground)
	}
	add(csiEntry, 0x3C, 0x3F, collect, csiParameter)
	add(csiParameter, 0x3C, 0x3F, ignore, csiIgnore)
	add(csiIntermediate, 0x20, 0x2F, collect, csiIntermediate)
	add(csiIntermediate, 0x30, 0x3F, ignore, csiIgnore)
	add(csiIntermediate, 0x40, 0x7E, csiDispatch, ground)
	add(csiIgnore, 0x20, 0x3F, ignore, csiIgnore)
	add(csiIgnore, 0x40, 0x7E, ignore, ground)
	add(csiIgnore, nonASCII, nonASCII, ignore, csiIgnore)

	add(escape, 0x20, 0x2F, collect, escapeIntermediate)
	add(escape, 0x30, 0x4F, escapeDispatch, ground)
	add(escape, 0x51, 0x57, escapeDispatch, ground)
	add(escape, 0x59, 0x5A, escapeDispatch, ground)
	add(escape, 0x5C, 0x5C, escapeDispatch, ground)
	add(escape, 0x60, 0x7E, escapeDispatch, ground)
	add(escapeIntermediate, 0x20, 0x2F, collect, escapeIntermediate)
	add(escapeIntermediate, 0x30, 0x7E, escapeDispatch, ground)

	add(escape, 0x50, 0x50, clearSequence, dcsEntry)
	for _, s := range []state{dcsEntry, dcsParameter, dcsIntermediate, dcsIgnore} {
		controls(s, ignore, s)
		add(s, 0x7F, 0x7F, ignore, s)
		add(s, 0x20, 0x2F, collect, dcsIntermediate)
		add(s, 0x40, 0x7E, dcsHook, dcsPassthrough)
	}
	for _, s := range []state{dcsEntry, dcsParameter} {
		add(s, 0x30, 0x3B, parameter, dcsParameter)
	}
	add(dcsEntry, 0x3C, 0x3F, collect, dcsParameter)
	add(dcsParameter, 0x3C, 0x3F, ignore, dcsIgnore)
	add(dcsIntermediate, 0x30, 0x3F, ignore, dcsIgnore)
	add(dcsIgnore, 0x20, 0x7F, ignore, dcsIgnore)
	add(dcsIgnore, nonASCII, nonASCII, ignore, dcsIgnore)
	controls(dcsPassthrough, dcsPut, dcsPassthrough)
	add(dcsPassthrough, 0x20, 0x7E, dcsPut, dcsPassthrough)
	add(dcsPassthrough, 0x7F, 0x7F, ignore, dcsPassthrough)
	add(dcsPassthrough, nonASCII, nonASCII, dcsPut, dcsPassthrough)
	for _, code := range []int{0x18, 0x1A, 0x1B, 0x9C} {
		add(dcsPassthrough, code, code, dcsUnhook, ground)
	}
	return table
}
