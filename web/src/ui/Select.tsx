import { Select as Base } from '@base-ui/react/select'
import styles from './Choice.module.css'
import { classes } from './classes'
import { controlClass } from './Field'
import { Icon } from './Icon'

export interface Option {
  value: string
  label: string
  /** A second line: what tells this one from the others. */
  hint?: string | undefined
  disabled?: boolean | undefined
}

export interface SelectProps {
  options: readonly Option[]
  value: string | null
  onChange: (value: string | null) => void
  placeholder: string
}

/** One of a few. For many, or where people know the name, use Combobox. */
export function Select({ options, value, onChange, placeholder }: SelectProps) {
  return (
    <Base.Root items={options} value={value} onValueChange={(next: string | null) => onChange(next)}>
      <Base.Trigger className={classes(controlClass, styles.trigger)}>
        <Base.Value placeholder={placeholder} />
        <Base.Icon>
          <Icon name="down" />
        </Base.Icon>
      </Base.Trigger>
      <Base.Portal>
        <Base.Positioner className={styles.positioner} sideOffset={4} alignItemWithTrigger={false}>
          <Base.Popup className={styles.popup}>
            <Base.List className={styles.list}>
              {options.map((option) => (
                <Base.Item key={option.value} value={option.value} disabled={option.disabled ?? false} className={styles.item}>
                  <Base.ItemText>{option.label}</Base.ItemText>
                  {option.hint && <span className={styles.itemHint}>{option.hint}</span>}
                  <Base.ItemIndicator className={styles.indicator}>
                    <Icon name="check" />
                  </Base.ItemIndicator>
                </Base.Item>
              ))}
            </Base.List>
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  )
}
