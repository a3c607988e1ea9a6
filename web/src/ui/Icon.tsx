/** The portal's icons: 16 px, one stroke, drawn for this size. They stand beside words and are hidden from screen readers. */
const paths = {
  home: 'M2.5 7.2 8 2.6l5.5 4.6v6.2h-3.6V9.6H6.1v3.8H2.5z',
  ask: 'M8 3.2v9.6M3.2 8h9.6',
  approve: 'M2.6 8.4 6.2 12l7.2-8',
  sessions: 'M2 3.2h12v9.6H2zM4.6 6.2 6.6 8l-2 1.8M8 10h3',
  audit: 'M5.6 3.6H14M5.6 8H14M5.6 12.4H14M2.2 3.6h.4M2.2 8h.4M2.2 12.4h.4',
  passkey: 'M9.4 8.9a3.4 3.4 0 1 0-2.3-2.3L2.2 11.5v2.3h2.6v-1.7h1.7v-1.7h1.4zM11.2 4.8h.01',
  policy: 'M3.4 2h9.2v12H3.4zM5.8 5.2h4.4M5.8 8h4.4M5.8 10.8h2.4',
  change: 'M3 5h8.4M8.8 2.4 11.4 5 8.8 7.6M13 11H4.6M7.2 8.4 4.6 11l2.6 2.6',
  device: 'M3.4 3.2h9.2v6.6H3.4zM1.8 12.6h12.4',
  copy: 'M5.6 5.6h7.8v7.8H5.6zM10.4 5.6V2.6H2.6v7.8h3',
  check: 'M3 8.6 6.4 12 13 4.4',
  cross: 'M3.6 3.6l8.8 8.8M12.4 3.6l-8.8 8.8',
  down: 'M4 6.2 8 10.2l4-4',
  right: 'M6.2 4l4 4-4 4',
  back: 'M9.8 4l-4 4 4 4',
  alert: 'M8 2.4 14.4 13.4H1.6zM8 6.6v3M8 11.5h.01',
  info: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.4V11M8 5h.01',
  clock: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.8V8l2.2 1.6',
  search: 'M7 11.6A4.6 4.6 0 1 0 7 2.4a4.6 4.6 0 0 0 0 9.2zM10.4 10.4 14 14',
  person: 'M8 8.2a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6zM2.8 14c.4-2.6 2.4-4 5.2-4s4.8 1.4 5.2 4',
  more: 'M3.4 8h.01M8 8h.01M12.6 8h.01',
  out: 'M9.6 2.6H3v10.8h6.6M6.6 8H14M11.4 5.4 14 8l-2.6 2.6',
  download: 'M8 2.4v8M4.6 7.2 8 10.6l3.4-3.4M2.6 13.4h10.8',
  stop: 'M4 4h8v8H4z',
  again: 'M13.2 8a5.2 5.2 0 1 1-1.6-3.8M13.2 2.4v2.8h-2.8',
  external: 'M6.4 3H3v10h10V9.6M9.4 2.6h4v4M13.2 2.8 7.6 8.4',
} as const

export type IconName = keyof typeof paths

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  const dots = name === 'more'
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth={dots ? 2 : 1.5}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={paths[name]} />
    </svg>
  )
}
