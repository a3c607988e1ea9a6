import { useMutation, useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { api, body, type Session } from '../api/client'
import { asProblem, type Problem } from '../api/problem'
import { refresh, session as sessionQuery } from '../api/queries'
import { clockFace } from '../duration'
import { Player } from '../player/Player'
import { fetchRecording, type Channel, type Mark, type Recording } from '../player/recording'
import { called } from '../words'
import { Button } from '../ui/Button'
import { CopyLine } from '../ui/CopyLine'
import { EmptyState, Loading } from '../ui/EmptyState'
import { ErrorNotice, Notice } from '../ui/ErrorNotice'
import { Facts } from '../ui/Facts'
import { Moment } from '../ui/Moment'
import { PageHead, Section } from '../ui/Page'
import { Person } from '../ui/Person'
import { StateBadge } from '../ui/StateBadge'
import { Tabs } from '../ui/Tabs'
import { notify } from '../ui/Toasts'
import { AskForMoreTime } from './Extend'
import styles from './Session.module.css'
import { Reauthenticate } from './Reauthenticate'
import { HoldNotice, LegalHold } from './LegalHold'
import { endWords, lengthWords, RecordingBadge } from './sessionWords'

/** One session: its replay, and everything around it. */
export function SessionPage() {
  const { session: id } = useParams({ from: '/sessions/$session' })
  const { data: session, error, refetch } = useQuery(sessionQuery(id))
  if (error && !session) return <ErrorNotice problem={asProblem(error)} retry={() => void refetch()} />
  if (!session) return <Loading what="the session" lines={8} />
  return (
    <>
      <PageHead
        title={
          <>
            <bdi>{called(session.person)}</bdi> on {session.login}@{session.target}
          </>
        }
        tab={`${called(session.person)} on ${session.target}`}
        words={
          <>
            <Moment at={session.started} clock />, {lengthWords(session)}
          </>
        }
      >
        <div className={styles.badges}>
          {session.live ? <StateBadge state="live" /> : <StateBadge state="ended">{endWords(session)}</StateBadge>}
          <RecordingBadge session={session} />
          {session.may?.includes('extend') && <AskForMoreTime of={session} small />}
          {session.may?.includes('kill') && <Kill session={session} />}
          <LegalHold session={session} />
        </div>
      </PageHead>
      {session.chain_verified === 'broken' && (
        <Notice tone="wait" title="This recording is not what was recorded">
          {session.chain_detail}
        </Notice>
      )}
      <Reauthenticate session={session} />
      <HoldNotice session={session} />
      {session.removed ? (
        <EmptyState title="The recording was removed">
          Its time was over on <Moment at={session.removed} clock />. That it was, and the seals of what it held, stay in the audit log.
        </EmptyState>
      ) : session.may?.includes('replay') ? (
        <Replay session={session} />
      ) : (
        <EmptyState title="The recording is for reviewers">You can see that the session was, not what was on its screen.</EmptyState>
      )}
    </>
  )
}

function Kill({ session }: { session: Session }) {
  const kill = useMutation({
    mutationFn: () => body(api.POST('/api/sessions/{session}/kill', { params: { path: { session: session.id } }, body: {} })),
    onSuccess: () => refresh(),
    onError: (thrown) => notify.failed(thrown),
  })
  return (
    <Button kind="destructive" small icon="stop" busy={kill.isPending && 'Closing…'} onClick={() => kill.mutate()}>
      Close this session now
    </Button>
  )
}

/** Loads the recording, once for each size of it that is asked for. */
function useRecording(session: string, turn: number) {
  const [state, setState] = useState<{ recording?: Recording; problem?: Problem; bytes: number }>({ bytes: 0 })
  useEffect(() => {
    const abort = new AbortController()
    setState((before) => ({ ...before, bytes: 0 }))
    fetchRecording(session, (bytes) => setState((before) => ({ ...before, bytes })), abort.signal).then(
      (recording) => setState({ recording, bytes: 0 }),
      (thrown) => {
        if (!abort.signal.aborted) setState({ problem: asProblem(thrown), bytes: 0 })
      },
    )
    return () => abort.abort()
  }, [session, turn])
  return state
}

function Replay({ session }: { session: Session }) {
  const [turn, setTurn] = useState(0)
  const { recording, problem, bytes } = useRecording(session.id, turn)
  const [chosen, setChosen] = useState<number | null>(null)
  const [go, setGo] = useState<{ at: number } | null>(null)
  const again = () => setTurn((count) => count + 1)

  if (problem) return <ErrorNotice problem={problem} retry={again} />
  if (!recording) return <Loading what={bytes > 0 ? `the recording, ${Math.ceil(bytes / 1024)} KiB so far` : 'the recording'} lines={10} />
  const channel = recording.channels.find(({ number }) => number === chosen) ?? busiest(recording)
  const goTo = (number: number, at: number) => {
    if (number > 0) setChosen(number)
    setGo({ at })
  }
  return (
    <div className={styles.page}>
      <div className={styles.main}>
        {channel ? (
          <>
            {recording.channels.length > 1 && recording.channels.length <= 6 && (
              <Tabs label="Channel" value={String(channel.number)} onChange={(value) => setChosen(Number(value))} options={recording.channels.map((each) => [String(each.number), title(each)] as const)} />
            )}
            {channel.type === 'subsystem' && !recording.steps.has(channel.number) ? (
              <EmptyState title="There was no screen">This was a file transfer. What was done is listed under Files.</EmptyState>
            ) : (
              <Player recording={recording} channel={channel} marks={recording.marks.filter((mark) => mark.channel === channel.number || mark.channel === 0)} go={go} label={`Replay of ${title(channel)}`} />
            )}
          </>
        ) : (
          <EmptyState title="Nothing was run">The connection was opened, and no shell, command or file transfer came.</EmptyState>
        )}
        {session.live && (
          <div>
            <Button icon="again" onClick={again}>
              Load what is new
            </Button>
          </div>
        )}
      </div>
      <aside className={styles.rail} aria-label="About this session">
        <Section title="What ran">
          <ol className={styles.list}>
            {recording.channels.map((each) => (
              <li key={each.number}>
                <button type="button" className={styles.entry} onClick={() => goTo(each.number, each.opened)}>
                  <span className={styles.at}>{clockFace(each.opened / 1000)}</span>
                  <code>{title(each)}</code>
                  {each.exit && <span className={styles.exit}>{each.exit}</span>}
                </button>
              </li>
            ))}
          </ol>
        </Section>
        <Marks title="Files" marks={recording.marks.filter(({ kind }) => kind === 'file' || kind === 'bulk')} onGo={goTo} />
        <Marks title="Connections" marks={recording.marks.filter(({ kind }) => kind === 'connection')} onGo={goTo} />
        <Marks title="Remarks" marks={recording.marks.filter(({ kind }) => kind === 'refused' || kind === 'note' || kind === 'end')} onGo={goTo} />
        <Section title="About">
          <Facts
            rows={[
              ['Who', <Person key="who" person={session.person} />],
              ['Role', session.role],
              ['Request', <Link key="request" to="/requests/$id" params={{ id: session.request }}>{session.request}</Link>],
              ['From', session.client_address],
              ['With', session.client_version],
              ['Through', session.proxy],
              ['Recording', `${session.bytes.toLocaleString('en')} bytes, ${session.seals} ${session.seals === 1 ? 'seal' : 'seals'}`],
              ['Chain', session.chain_detail],
              ['Stored', session.stored && <Moment key="stored" at={session.stored} clock />],
              ['SHA-256', session.digest && <code key="digest">{session.digest}</code>],
            ]}
          />
        </Section>
        <Section title="At a terminal">
          <CopyLine text={`stint play ${session.id}`} what="the command that replays it" />
          <CopyLine text={`stint export ${session.id} --format asciicast-v2`} what="the command that exports it" />
        </Section>
      </aside>
    </div>
  )
}

/** So many are listed; all are in the text export. */
const shown = 200

/** What was done, refused or remarked, each a way to its moment. */
function Marks({ title, marks, onGo }: { title: string; marks: Mark[]; onGo: (channel: number, at: number) => void }) {
  if (marks.length === 0) return null
  return (
    <Section title={title}>
      <ol className={styles.list}>
        {marks.slice(0, shown).map((mark, index) => (
          <li key={index}>
            <button type="button" className={styles.entry} onClick={() => onGo(mark.channel, mark.at)}>
              <span className={styles.at}>{clockFace(mark.at / 1000)}</span>
              <span className={mark.kind === 'refused' ? styles.refused : undefined}>
                <bdi>{mark.words}</bdi>
                {mark.digest && <code className={styles.digest}>SHA-256 {mark.digest}</code>}
              </span>
            </button>
          </li>
        ))}
      </ol>
      {marks.length > shown && <p>{(marks.length - shown).toLocaleString('en')} more are in the text export.</p>}
    </Section>
  )
}

function title(channel: Channel): string {
  if (channel.type === 'shell') return 'shell'
  return channel.command || channel.type
}

/** The channel worth opening first: of those with a terminal, else of all, the one with the most to see. */
function busiest(recording: Recording): Channel | undefined {
  const amount = ({ number }: Channel) => recording.steps.get(number)?.length ?? 0
  const terminals = recording.channels.filter(({ size }) => size !== null)
  return (terminals.length > 0 ? terminals : recording.channels).toSorted((a, b) => amount(b) - amount(a))[0]
}
