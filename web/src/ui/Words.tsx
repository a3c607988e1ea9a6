/** A sentence of the server's, in which a name stands between backticks: as code, in its own direction. */
export function Words({ text }: { text: string }) {
  return (
    <bdi>
      {text.split('`').map((part, place) => (place % 2 === 1 ? <code key={place}>{part}</code> : part))}
    </bdi>
  )
}
