import { useQuery } from '@tanstack/react-query'
import type { ProxyState } from '../api/client'
import { asProblem } from '../api/problem'
import { proxies } from '../api/queries'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice } from '../ui/ErrorNotice'
import { Moment } from '../ui/Moment'
import { PageHead } from '../ui/Page'
import { StateBadge } from '../ui/StateBadge'
import { Table, type Column } from '../ui/Table'

const columns: Column<ProxyState>[] = [
  { name: 'Name', main: true, cell: (proxy) => <bdi>{proxy.name}</bdi> },
  { name: 'State', narrow: true, cell: (proxy) => <StateBadge state={proxy.state} bare /> },
  { name: 'Sessions', narrow: true, end: true, cell: (proxy) => proxy.sessions },
  { name: 'Opens', cell: opens },
  { name: 'Labels', cell: (proxy) => Object.entries(proxy.labels).map(([key, value]) => `${key}=${value}`).sort().join(', ') },
  { name: 'Address', narrow: true, cell: (proxy) => proxy.address },
  { name: 'Version', narrow: true, onlyWide: true, cell: (proxy) => proxy.version },
  { name: 'Heard', narrow: true, cell: (proxy) => (proxy.heard ? <Moment at={proxy.heard} clock /> : 'never') },
]

/** A few targets by name, many by their number. */
function opens({ targets }: ProxyState): string {
  if (targets.length === 0) return 'nothing'
  return targets.length <= 4 ? targets.join(', ') : `${targets.length} targets`
}

/** The recording proxies: how they are, and what the signer lets each open. */
export function Proxies() {
  const list = useQuery(proxies())
  const rows = list.data?.items ?? []
  return (
    <>
      <PageHead title="Proxies" tab="Proxies" words="Every session goes through one of these, which records it. The signer says which targets each may open." />
      {list.error && <ErrorNotice problem={asProblem(list.error)} retry={() => void list.refetch()} />}
      {list.isPending ? (
        <Loading what="the proxies" lines={3} />
      ) : rows.length === 0 && !list.error ? (
        <EmptyState title="No proxy is configured">Nobody can connect until the broker’s configuration names one.</EmptyState>
      ) : (
        <Table label="Proxies" columns={columns} rows={rows} rowKey={({ name }) => name} />
      )}
    </>
  )
}
