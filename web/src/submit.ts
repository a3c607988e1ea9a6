import { useState } from 'react'
import { asProblem, type Problem } from './api/problem'

export interface Submit {
  running: boolean
  problem: Problem | undefined
  /** Runs one act at a time and keeps what went wrong. Tells whether it went well. */
  run: (act: () => Promise<unknown>) => Promise<boolean>
  clear: () => void
}

/** Something the person does that can fail: running or not, and the problem to show beside it. */
export function useSubmit(): Submit {
  const [running, setRunning] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  return {
    running,
    problem,
    clear: () => setProblem(undefined),
    async run(act) {
      if (running) return false
      setRunning(true)
      setProblem(undefined)
      try {
        await act()
        return true
      } catch (thrown) {
        setProblem(asProblem(thrown))
        return false
      } finally {
        setRunning(false)
      }
    },
  }
}
