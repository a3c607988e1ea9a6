/** A key pressed for the page: not into a field, not with a modifier, not while a dialog is open. */
export function plainKey(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null
  return !(
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    event.defaultPrevented ||
    event.repeat ||
    target?.closest('input, textarea, select, [contenteditable], [role=dialog], [role=alertdialog], [role=menu]')
  )
}
