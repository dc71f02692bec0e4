/** A scheduler on a database in memory, with time that stands still until a test moves it, and functions that are closures. */
import { type Clock, createLog, systemRandom, WriteConflict } from '@concave/base'
import { Database, type StoredRecord, type Transaction } from '@concave/database'
import { parseFunctionPath } from '@concave/protocol'
import { MemoryStorage } from '@concave/storage'
import { vi } from 'vitest'
import type { Call } from '../functions/call-origin.ts'
import { FunctionError } from '../functions/function-error.ts'
import { LoadedCode } from '../functions/loaded-code.ts'
import type { ScheduledOutcome } from '../functions/scheduled-run.ts'
import type { Alarm } from './alarm.ts'
import type { ScheduledFunctions } from './job-runner.ts'
import { type ScheduledJob, scheduledJobs, scheduleJob } from './scheduled-jobs.ts'
import { Scheduler } from './scheduler.ts'

export const startMs = Date.UTC(2026, 10, 22)

type Mutation = (tx: Transaction, call: Call) => Promise<void>
type Action = (call: Call) => Promise<void>

export type Fixture = {
  readonly database: Database
  readonly code: LoadedCode
  readonly clock: Clock
  /** By function name, in module `m`. A `FunctionError` is the function's own; anything else is the system's. */
  readonly mutations: Record<string, Mutation>
  readonly actions: Record<string, Action>
  /** Called between the commit of a mutation and the end of its run. */
  afterCommit: () => Promise<void>
  /** Alarms that have not rung, by when they will. */
  readonly alarms: () => readonly number[]
  scheduler: Scheduler
  /** Moves the time and rings what is due. */
  advance(ms: number): void
  schedule(name: string, options?: { readonly delayMs?: number; readonly parentJobId?: string }): Promise<string>
  job(id: string): Promise<StoredRecord<ScheduledJob> | null>
  /** The job once it is in that state. */
  reached(id: string, type: ScheduledJob['state']['type']): Promise<StoredRecord<ScheduledJob>>
  restart(): Promise<void>
  close(): Promise<void>
}

export async function openFixture(): Promise<Fixture> {
  let nowMs = startMs
  const clock: Clock = {
    nowMs: () => nowMs,
    nowNs: () => BigInt(nowMs) * 1_000_000n,
    monotonicMs: () => nowMs - startMs,
  }
  const waiting = new Set<{ readonly atMs: number; readonly ring: () => void }>()
  const alarm: Alarm = (delayMs, ring) => {
    const entry = { atMs: nowMs + delayMs, ring }
    waiting.add(entry)
    return () => waiting.delete(entry)
  }
  const log = createLog({ level: 'silent' })
  const database = await Database.open({ storage: new MemoryStorage(), clock, random: systemRandom, log })
  const mutations: Record<string, Mutation> = { touch: async () => {} }
  const actions: Record<string, Action> = {}
  const code = createCode()
  const functions = createFunctions(database, mutations, actions, async () => await fixture.afterCommit())
  const start = (): Scheduler =>
    Scheduler.start({ database, functions, registry: { load: async () => code }, clock, log, alarm })
  const job: Fixture['job'] = async (id) => (await database.read((tx) => scheduledJobs.get(tx, id))).value
  const fixture: Fixture = {
    database,
    code,
    clock,
    mutations,
    actions,
    afterCommit: async () => {},
    alarms: () => [...waiting].map(({ atMs }) => atMs).sort((a, b) => a - b),
    scheduler: start(),
    advance: (ms) => {
      nowMs += ms
      for (const entry of waiting) {
        if (entry.atMs > nowMs) continue
        waiting.delete(entry)
        entry.ring()
      }
    },
    schedule: async (name, { delayMs = 0, parentJobId } = {}) => {
      const atSeconds = (nowMs + delayMs) / 1000
      const request = { path: parseFunctionPath(`m:${name}`), args: {}, atSeconds }
      const { value } = await database.mutate('test', (tx) =>
        scheduleJob(tx, request, { code, nowMs, parentJobId, warn: () => {} }),
      )
      return value
    },
    job,
    reached: async (id, type) =>
      await vi.waitFor(async () => {
        const found = await job(id)
        if (found?.state.type === type) return found
        throw new Error(`The job is ${JSON.stringify(found?.state)}, not ${type}.`)
      }, waitOptions),
    restart: async () => {
      await fixture.scheduler.stop()
      fixture.scheduler = start()
    },
    close: async () => {
      await fixture.scheduler.stop()
      await fixture.scheduler.drained()
      await database.close()
    },
  }
  return fixture
}

export const waitOptions = { timeout: 5000, interval: 2 }

/** Module `m` with a mutation or an action of any name that a test may give. */
function createCode(): LoadedCode {
  const analyzed = (name: string, udfType: 'Query' | 'Mutation' | 'Action') =>
    ({ name, pos: null, udfType, visibility: { kind: 'internal' }, args: '{"type":"any"}', returns: 'null' }) as const
  const functions = [
    analyzed('touch', 'Mutation'),
    analyzed('work', 'Mutation'),
    analyzed('act', 'Action'),
    analyzed('look', 'Query'),
  ]
  return new LoadedCode({
    bundle: { version: '1', modules: new Map(), importSeed: '00'.repeat(32), importTimeMs: 0 },
    serverVersion: '1.48.0',
    modules: new Map([['m.js', { functions, reuseContext: false, httpRoutes: undefined, cronsText: undefined }]]),
  })
}

function createFunctions(
  database: Database,
  mutations: Readonly<Record<string, Mutation>>,
  actions: Readonly<Record<string, Action>>,
  afterCommit: () => Promise<void>,
): ScheduledFunctions {
  return {
    runScheduled: async (call, record): Promise<ScheduledOutcome> => {
      const tx = database.begin('mutation')
      if (!(await record.begin(tx))) return { kind: 'skipped' }
      try {
        await mutations[call.path.name]?.(tx, call)
      } catch (error) {
        if (!(error instanceof FunctionError)) throw error
        return { kind: 'error', message: error.message, logLines: ['[LOG] tried'], durationMs: 1 }
      }
      await record.finish(tx, { resultText: 'null', logLines: [], durationMs: 1 })
      await database.commit(tx, call.path.name).durable
      await afterCommit()
      return { kind: 'success' }
    },
    runAction: async (call) => {
      try {
        await actions[call.path.name]?.(call)
        return { kind: 'success', valueText: 'null', logLines: [] }
      } catch (error) {
        if (!(error instanceof FunctionError)) throw error
        const message = `[Request ID: ${call.requestId}] Server Error\n${error.message}`
        return { kind: 'error', message, dataText: undefined, logLines: [] }
      }
    },
  }
}

export function conflict(): WriteConflict {
  return new WriteConflict('Documents changed while this mutation was being run and on every subsequent retry.')
}
