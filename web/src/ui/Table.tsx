import type { ReactNode } from 'react'
import { Button } from './Button'
import { classes } from './classes'
import styles from './Table.module.css'

export interface Column<Row> {
  name: string
  cell: (row: Row) => ReactNode
  /** What the row is about; comes first where rows become cards. One column has it. */
  main?: boolean
  /** As narrow as its content. */
  narrow?: boolean
  end?: boolean
  /** Left out where rows become cards. */
  onlyWide?: boolean
}

export interface TableProps<Row> {
  label: string
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  rowKey: (row: Row) => string | number
  /** Loads the next page; left out at the end of the list. */
  more?: (() => void) | undefined
  loadingMore?: boolean
}

/** A dense list for experts. Pages are added below by a button, never swapped under the reader's eyes. */
export function Table<Row>({ label, columns, rows, rowKey, more, loadingMore }: TableProps<Row>) {
  return (
    <div className={styles.frame}>
      {/* The roles are said again because a row that becomes a card is no longer laid out as a row, and browsers then forget them. */}
      <table className={styles.table} aria-label={label} role="table">
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => (
              <th key={column.name} scope="col" role="columnheader" className={cellClass(column)}>
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={rowKey(row)} role="row">
              {columns.map((column) => (
                <td key={column.name} role="cell" className={cellClass(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {more && (
        <div className={styles.foot}>
          <Button small onClick={more} busy={loadingMore && 'Loading more…'}>
            Show more
          </Button>
        </div>
      )}
    </div>
  )
}

function cellClass<Row>(column: Column<Row>): string {
  return classes(
    column.main && styles.main,
    column.narrow && styles.narrow,
    column.end && styles.end,
    column.onlyWide && styles.onlyWide,
  )
}
