/** A spell of duty: a ring, part of it spent. */
export function Wordmark({ size = 22 }: { size?: number }) {
  return (
    <span
      style={{
        display: 'inline-flex',
        alignItems: 'center',
        gap: '0.55em',
        fontWeight: 680,
        fontSize: size * 0.82,
        letterSpacing: '-0.02em',
      }}
    >
      <svg width={size} height={size} viewBox="0 0 24 24" fill="none" strokeWidth="3.2" strokeLinecap="round" aria-hidden="true">
        <circle cx="12" cy="12" r="9" stroke="var(--accent)" strokeOpacity=".28" />
        <path d="M12 3a9 9 0 1 1-8.1 12.9" stroke="var(--accent)" />
      </svg>
      Stint
    </span>
  )
}
