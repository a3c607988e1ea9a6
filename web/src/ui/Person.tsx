import { Popover } from '@base-ui/react/popover'
import styles from './Moment.module.css'

interface PersonLike {
  issuer: string
  subject: string
  name: string
  email?: string | undefined
}

const who = Popover.createHandle<PersonLike>()

/** A person by name; on hover or tap, who that is by the identity provider, which is what counts. */
export function Person({ person }: { person: PersonLike }) {
  return (
    <Popover.Trigger
      handle={who}
      payload={person}
      openOnHover
      delay={250}
      className={styles.moment}
      nativeButton={false}
      render={<bdi />}
    >
      {person.name || person.subject}
    </Popover.Trigger>
  )
}

/** The one pop-up that all persons share. It is mounted once, beside the pages. */
export function PersonDetail() {
  return (
    <Popover.Root handle={who}>
      {({ payload }) => (
        <Popover.Portal>
          <Popover.Positioner className={styles.positioner} side="top" sideOffset={6}>
            <Popover.Popup className={styles.popup} initialFocus={false} aria-label="Who this is">
              {payload && (
                <>
                  <div>
                    <bdi>{payload.name}</bdi>
                    {payload.email && (
                      <>
                        {' · '}
                        <bdi>{payload.email}</bdi>
                      </>
                    )}
                  </div>
                  <code className={styles.universal}>
                    {payload.subject} @ {payload.issuer}
                  </code>
                </>
              )}
            </Popover.Popup>
          </Popover.Positioner>
        </Popover.Portal>
      )}
    </Popover.Root>
  )
}
