import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { reviews } from '../api/policyQueries'
import styles from './Approvals.module.css'

/** Between what waits for a decision, emergencies that wait for a review, and who decides for whom. */
export function ApprovalPlaces() {
  const open = useQuery(reviews).data?.items ?? []
  // One request has an address below that of the queue.
  const { id } = useParams({ strict: false })
  const mine = open.filter(({ may }) => may).length
  return (
    <nav className={styles.places} aria-label="Approvals and what belongs to them">
      <Link to="/approvals" activeOptions={{ exact: true }} {...(id === undefined ? {} : { 'aria-current': 'page' })}>
        To decide
      </Link>
      <Link to="/approvals/reviews">Reviews{mine > 0 && ` (${mine})`}</Link>
      <Link to="/approvals/delegations">Delegations</Link>
    </nav>
  )
}
