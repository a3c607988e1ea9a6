// Package screen is a terminal without a window: it takes what a program wrote
// and knows what a person would have seen. Playback uses it for keyframes (so
// that a seek replays seconds and not hours), for search over what was on the
// screen, and to find commands in shells.
//
//	recording ─► Screen.Write, Resize ─► parser ─► print, control functions ─► two buffers
//	                                                   ├► Hooks.Line   (search)
//	                                                   └► Hooks.Mark   (commands)
//	Screen.Keyframe ─► ANSI text for the player's xterm.js · Screen.Text
//
// The player shows recordings with xterm.js 6, so what is right is what xterm.js
// 6.0.0 does with the player's options, oddities included: its parser's tables,
// its Unicode 6 widths, its two buffers with the scrollback's bound, its reflow
// when the window changes. A differential test holds the two together, cell by
// cell. The algorithms, above all the parser's transitions, the width table and
// the reflow, follow xterm.js (MIT licence, copyright The xterm.js authors).
//
// It differs on purpose where xterm.js would be at the mercy of what it shows:
// UTF-8 may be split anywhere, nothing throws, nothing loops for as long as a
// parameter says, sizes and combined characters have a bound. See [Screen].
//
// The package is pure: no I/O, no clock, no goroutine. Bytes are hostile; they
// never panic it, and its memory is bounded by its size.
package screen
