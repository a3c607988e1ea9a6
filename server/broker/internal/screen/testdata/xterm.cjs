// xterm.js without a window, for the tests to compare with: takes what a program wrote and says what came of it.
// Requests on standard input: a kind, four numbers, a length, and so many bytes. Only 'D' is answered.
'use strict'
const { Terminal } = require(process.argv[2])

const player = [0, 1, 2, 7, 8, 9, 52, 133, 633, 777, 1337] // what the portal's player takes and drops
let terminal, core, thrown

/** A reflow that makes more lines than the buffer holds goes on above its top, which is its bottom: what comes of it is no use. */
let plainSet
function checkedSet(index, value) {
  if (index < 0) throw new Error('lines are lost')
  plainSet.call(this, index, value)
}

function make(columns, rows, scrollback, convertEol) {
  terminal?.dispose()
  terminal = new Terminal({ cols: columns, rows, scrollback, convertEol: convertEol !== 0, allowProposedApi: true, disableStdin: true, cursorBlink: false, logLevel: 'off' })
  for (const command of player) terminal.parser.registerOscHandler(command, () => true)
  core = terminal._core
  thrown = ''
  const lists = Object.getPrototypeOf(core._bufferService.buffers.normal.lines)
  if (lists.set !== checkedSet) {
    plainSet = lists.set
    lists.set = checkedSet
  }
}

/** As terminal.write, at once. */
function attempt(work) {
  if (thrown) return
  try {
    work()
  } catch (error) {
    thrown = String(error)
  }
}

/** The colour bits that count: a palette's colour keeps what was in the others. */
function colour(value) {
  switch ((value >>> 24) & 3) {
    case 0:
      return (value & ~0xffffff) >>> 0
    case 3:
      return value >>> 0
    default:
      return (value & ~0xffff00) >>> 0
  }
}

const ascii = Array.from({ length: 0x5f }, (_, i) => String.fromCharCode(0x20 + i))
const letters = (charset) => (charset ? ascii.map((letter) => charset[letter]?.[0] ?? letter).join('') : '')

function dumpLine(line, cells) {
  const combined = {}
  for (let x = 0; x < line.length; x++) {
    const content = line._data[x * 3]
    const bg = line._data[x * 3 + 2]
    const extended = bg & 0x10000000 ? line._extendedAttrs[x]._ext : 0
    if (content & 0x200000) combined[x] = line._combined[x]
    cells.push(content >>> 0, colour(line._data[x * 3 + 1]), colour(bg), colour(extended))
  }
  return { wrapped: line.isWrapped, length: line.length, combined }
}

function dumpBuffer(buffer, above, cells) {
  const first = Math.max(buffer.ybase - above, 0)
  const lines = []
  for (let y = first; y < buffer.lines.length; y++) lines.push(dumpLine(buffer.lines.get(y), cells))
  return {
    base: buffer.ybase,
    x: buffer.x,
    y: buffer.y,
    top: buffer.scrollTop,
    bottom: buffer.scrollBottom,
    saved: [buffer.savedX, buffer.savedY, colour(buffer.savedCurAttrData.fg), colour(buffer.savedCurAttrData.bg)],
    savedCharset: letters(buffer.savedCharset),
    tabs: Object.keys(buffer.tabs).map(Number).filter((x) => buffer.tabs[x] && x < terminal.cols),
    first,
    lines,
  }
}

function dump(above) {
  const cells = []
  const { buffers } = core._bufferService
  const service = core.coreService
  const modes = service.decPrivateModes
  const attributes = core._inputHandler._curAttrData
  const charsets = core._charsetService
  const parser = core._inputHandler._parser
  const state = {
    thrown,
    columns: terminal.cols,
    rows: terminal.rows,
    alternate: buffers.active === buffers.alt,
    attributes: [colour(attributes.fg), colour(attributes.bg), colour(attributes.extended._ext)],
    charset: letters(charsets.charset),
    charsets: [0, 1, 2, 3].map((level) => letters(charsets._charsets[level])),
    level: charsets.glevel ?? 0,
    state: parser.currentState,
    join: (parser.precedingJoinState >> 1) & 3,
    modes: {
      insert: service.modes.insertMode,
      origin: modes.origin,
      wrap: modes.wraparound,
      reverseWrap: modes.reverseWraparound,
      applicationCursor: modes.applicationCursorKeys,
      applicationKeypad: modes.applicationKeypad,
      bracketedPaste: modes.bracketedPasteMode,
      focus: modes.sendFocus,
      synchronized: modes.synchronizedOutput,
      mouseProtocol: { NONE: 0, X10: 9, VT200: 1000, DRAG: 1002, ANY: 1003 }[core.coreMouseService.activeProtocol],
      mouseEncoding: { DEFAULT: 0, SGR: 1006, SGR_PIXELS: 1016 }[core.coreMouseService.activeEncoding],
      cursorShape: { block: 1, underline: 2, bar: 3 }[modes.cursorStyle] ?? 0,
      cursorBlink: modes.cursorBlink === undefined ? 0 : modes.cursorBlink ? 2 : 1,
      lineFeedReturns: terminal.options.convertEol,
      cursorBlinks: terminal.options.cursorBlink,
      cursorHidden: service.isCursorHidden,
    },
    normal: dumpBuffer(buffers.normal, above, cells),
    alt: dumpBuffer(buffers.alt, above, cells),
  }
  const head = Buffer.from(JSON.stringify(state))
  const body = Buffer.from(Uint32Array.from(cells).buffer)
  const sizes = Buffer.alloc(8)
  sizes.writeUInt32LE(head.length, 0)
  sizes.writeUInt32LE(body.length, 4)
  process.stdout.write(Buffer.concat([sizes, head, body]))
}

const header = 24
let held = Buffer.alloc(0)
process.stdin.on('data', (more) => {
  held = held.length ? Buffer.concat([held, more]) : more
  while (held.length >= header) {
    const [kind, a, b, c, d, length] = [0, 4, 8, 12, 16, 20].map((at) => held.readUInt32LE(at))
    if (held.length < header + length) return
    const data = held.subarray(header, header + length)
    held = held.subarray(header + length)
    switch (String.fromCharCode(kind)) {
      case 'N':
        make(a, b, c, d)
        break
      case 'W':
        attempt(() => core._inputHandler.parse(new Uint8Array(data)))
        break
      case 'R':
        attempt(() => {
          terminal.resize(a, b)
          const { normal, alt } = core._bufferService.buffers
          for (const { ybase, lines } of [normal, alt]) {
            if (lines.length > 0 && ybase + b > lines.length) throw new Error('rows are lost')
          }
        })
        break
      case 'D':
        dump(a)
        break
    }
  }
})
