import { Combobox as Base } from '@base-ui/react/combobox'
import styles from './Choice.module.css'
import { classes } from './classes'
import { controlClass } from './Field'
import { Icon } from './Icon'
import type { Option } from './Select'

/** How many options are put on the page at once: whoever seeks another types more of its name. */
const most = 200

export interface ComboboxProps {
  options: readonly Option[]
  value: string | null
  onChange: (value: string | null) => void
  placeholder: string
  /** What to say when nothing matches: what to try instead. */
  empty: string
  autoFocus?: boolean
}

/** One of many, found by typing a part of its name or of its hint. */
export function Combobox({ options, value, onChange, placeholder, empty, autoFocus }: ComboboxProps) {
  const chosen = options.find((option) => option.value === value) ?? null
  return (
    <Base.Root
      items={options}
      value={chosen}
      onValueChange={(next: Option | null) => onChange(next?.value ?? null)}
      itemToStringLabel={(option: Option) => option.label}
      isItemEqualToValue={(a: Option, b: Option) => a.value === b.value}
      filter={matches}
      limit={most}
      autoHighlight
    >
      <Base.InputGroup className={classes(controlClass, styles.group)}>
        <Base.Input placeholder={placeholder} autoFocus={autoFocus} spellCheck={false} autoCapitalize="off" />
        {chosen && (
          <Base.Clear aria-label="Clear">
            <Icon name="cross" size={13} />
          </Base.Clear>
        )}
        <Base.Trigger aria-label="Show all">
          <Icon name="down" />
        </Base.Trigger>
      </Base.InputGroup>
      <Base.Portal>
        <Base.Positioner className={styles.positioner} sideOffset={4}>
          <Base.Popup className={styles.popup}>
            <Base.Empty className={styles.empty}>{empty}</Base.Empty>
            <Base.List className={styles.list}>
              {(option: Option) => (
                <Base.Item key={option.value} value={option} disabled={option.disabled ?? false} className={styles.item}>
                  <span>{option.label}</span>
                  {option.hint && <span className={styles.itemHint}>{option.hint}</span>}
                  <Base.ItemIndicator className={styles.indicator}>
                    <Icon name="check" />
                  </Base.ItemIndicator>
                </Base.Item>
              )}
            </Base.List>
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  )
}

/** Every word typed must occur somewhere, in any order: "prod db" finds db1.prod. */
function matches(option: Option, query: string): boolean {
  const text = `${option.label} ${option.hint ?? ''}`.toLowerCase()
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word))
}
