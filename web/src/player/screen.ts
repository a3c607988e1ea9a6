/**
 * The terminal that shows a recording: how to paint, and nothing of when. It is inert: what was recorded cannot act on
 * the reviewer's browser, set a title, fill the clipboard or make links.
 */
import { SerializeAddon } from '@xterm/addon-serialize'
import { Terminal } from '@xterm/xterm'
import '@xterm/xterm/css/xterm.css'
import type { Bytes } from '../bytes'
import type { Size } from './recording'

export const plainTerminal: Size = { columns: 80, rows: 24 }

/** Light on dark in either look: recorded colours were chosen for a terminal. Contrast of each on the ground is 4.5:1 or more. */
const colours = {
  background: '#12171c',
  foreground: '#d7dee4',
  cursor: '#7fc4e8',
  selectionBackground: '#2f5066',
  black: '#6b7883',
  red: '#f2827f',
  green: '#7cc998',
  yellow: '#e0b869',
  blue: '#83b4f0',
  magenta: '#d49be6',
  cyan: '#6ec6cf',
  white: '#d7dee4',
  brightBlack: '#8794a0',
  brightRed: '#ffa19d',
  brightGreen: '#9be3b3',
  brightYellow: '#f3d08c',
  brightBlue: '#a8ccfb',
  brightMagenta: '#e6baf4',
  brightCyan: '#95dfe6',
  brightWhite: '#f6f9fb',
}

export class Screen {
  readonly #terminal: Terminal
  readonly #serialize = new SerializeAddon()
  #sheets: CSSStyleSheet[] = []
  #size: Size

  constructor(size: Size | null) {
    this.#size = size ?? plainTerminal
    this.#terminal = new Terminal({
      cols: this.#size.columns,
      rows: this.#size.rows,
      // A command without a terminal ends its lines with LF alone.
      convertEol: size === null,
      allowProposedApi: true,
      disableStdin: true,
      cursorBlink: false,
      cursorInactiveStyle: 'outline',
      scrollback: 2000,
      fontFamily: 'ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace',
      fontSize: 13,
      lineHeight: 1.15,
      theme: colours,
      linkHandler: { activate: () => {} },
    })
    this.#terminal.loadAddon(this.#serialize)
    // Taken and dropped: title, icon, hyperlink, clipboard, and every other operating system command, and DCS.
    for (const command of [0, 1, 2, 7, 8, 9, 52, 133, 633, 777, 1337]) this.#terminal.parser.registerOscHandler(command, () => true)
  }

  /** Puts the terminal into the page. Call close when the element goes. */
  open(parent: HTMLElement): void {
    this.#sheets = withoutStyleElements(() => this.#terminal.open(parent))
    // xterm takes keys in a field that nobody sees, and keeps them, Tab too. Here they are the page's. A click still puts
    // the focus there: from there, what is selected on the screen can be copied.
    this.#terminal.attachCustomKeyEventHandler(() => false)
    const field = this.#terminal.textarea!
    field.tabIndex = -1
    field.readOnly = true
    field.setAttribute('aria-label', 'Screen')
  }

  close(): void {
    this.#terminal.dispose()
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => !this.#sheets.includes(sheet))
  }

  /** Makes the text as large as fits the width, within what can be read. */
  fit(width: number): void {
    const size = Math.floor((width / (this.#size.columns * 0.605)) * 2) / 2
    this.#terminal.options.fontSize = Math.min(15, Math.max(7, size))
  }

  get size(): Size {
    return this.#size
  }

  resize(size: Size): void {
    this.#size = size
    this.#terminal.resize(size.columns, size.rows)
  }

  /** Resolves when the bytes are on the screen. */
  write(data: Bytes | string): Promise<void> {
    return new Promise((done) => this.#terminal.write(data, done))
  }

  reset(size: Size): void {
    this.#terminal.reset()
    this.resize(size)
  }

  /** Everything that a screen needs to go on from here, both buffers included, as text for write after reset. */
  snapshot(): string {
    return this.#serialize.serialize({ scrollback: 200 })
  }

  /** What can be read on the screen now. */
  text(): string {
    const buffer = this.#terminal.buffer.active
    const lines: string[] = []
    for (let row = 0; row < this.#terminal.rows; row++) {
      lines.push(buffer.getLine(buffer.viewportY + row)?.translateToString(true) ?? '')
    }
    return lines.join('\n').trimEnd()
  }
}

/**
 * xterm writes its rules into style elements, which the content security policy refuses. While it opens, it gets an
 * element of another kind whose text becomes a constructed style sheet. Returns the sheets, to be taken away again.
 */
function withoutStyleElements(open: () => void): CSSStyleSheet[] {
  const sheets: CSSStyleSheet[] = []
  const create = document.createElement
  const shim = function (this: Document, name: string, options?: ElementCreationOptions): HTMLElement {
    if (name !== 'style') return create.call(document, name, options)
    const sheet = new CSSStyleSheet()
    sheets.push(sheet)
    document.adoptedStyleSheets.push(sheet)
    const stand = create.call(document, 'span')
    stand.hidden = true
    Object.defineProperty(stand, 'textContent', {
      set: (rules: string) => sheet.replaceSync(rules),
      get: () => '',
    })
    return stand
  }
  document.createElement = shim as typeof document.createElement
  try {
    open()
  } finally {
    document.createElement = create
  }
  return sheets
}
