/** A scheduler on a database in memory, with time that stands still until a test moves it, and functions that are closures. */
import { assert, type Clock, createLog, systemRandom, WriteConflict } from '@concave/base'
import { createNamespace, Database, type StoredRecord, type Transaction } from '@concave/database'
import { MemoryStorage } from '@concave/storage'
import { vi } from 'vitest'
import type { Call, JobReference } from '../functions/call-origin.ts'
import { FunctionError } from '../functions/function-error.ts'
import { emptyAppDefinition } from '../components/component-definition.ts'
import { LoadedApp, LoadedComponent } from '../components/loaded-app.ts'
import { components } from '../records.ts'
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
  /** The root, and what `mount` has added. */
  readonly app: LoadedApp
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
  /** Mounts a component of that name into the app, with the app's own code; again if it was unmounted. */
  mount(name: string): Promise<LoadedComponent>
  unmount(name: string): Promise<void>
  /** `from`: path of the component that schedules; `to`: of the one whose function it is, if that is another. */
  schedule(
    name: string,
    options?: {
      readonly delayMs?: number
      readonly parentJob?: JobReference
      readonly from?: string
      readonly to?: string
    },
  ): Promise<string>
  job(id: string, componentPath?: string): Promise<StoredRecord<ScheduledJob> | null>
  /** The job once it is in that state. */
  reached(id: string, type: ScheduledJob['state']['type'], componentPath?: string): Promise<StoredRecord<ScheduledJob>>
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
  const namespaces = new Map<string, string>()
  const mounted = new Set<string>()
  let app = createApp([])
  const reload = (): void => {
    app = createApp([...mounted].map((name) => ({ name, id: namespaces.get(name) ?? '' })))
  }
  const namespaceOf = (path: string): string => namespaces.get(path) ?? ''
  const functions = createFunctions(database, mutations, actions, async () => await fixture.afterCommit())
  const start = (): Scheduler =>
    Scheduler.start({ database, functions, registry: { load: async () => app }, clock, log, alarm })
  const job: Fixture['job'] = async (id, path = '') =>
    (await database.read((tx) => scheduledJobs.get(tx, id), { namespace: namespaceOf(path) })).value
  const find = (path: string): LoadedComponent => {
    const component = app.find(path)
    assert(component !== undefined, `${path} is not mounted`)
    return component
  }
  const fixture: Fixture = {
    database,
    get app() {
      return app
    },
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
    mount: async (name) => {
      const { value: id } = await database.mutate('test', async (tx) => {
        const existing = namespaces.get(name)
        if (existing !== undefined) {
          await components.patch(tx, existing, { state: 'active' })
          return existing
        }
        const added = await components.insert(tx, { definitionPath: name, parent: null, name, state: 'active' })
        await createNamespace(tx, added)
        return added
      })
      namespaces.set(name, id)
      mounted.add(name)
      reload()
      return find(name)
    },
    unmount: async (name) => {
      mounted.delete(name)
      reload()
      await database.mutate('test', (tx) => components.patch(tx, namespaceOf(name), { state: 'unmounted' }))
    },
    schedule: async (name, { delayMs = 0, parentJob, from = '', to = from } = {}) => {
      const atSeconds = (nowMs + delayMs) / 1000
      const request = { target: app.resolve(find(to), { name: `m:${name}` }), args: {}, atSeconds }
      const { value } = await database.mutate(
        'test',
        (tx) => scheduleJob(tx, request, { nowMs, parentJob, warn: () => {} }),
        {
          namespace: namespaceOf(from),
        },
      )
      return value
    },
    job,
    reached: async (id, type, path) =>
      await vi.waitFor(async () => {
        const found = await job(id, path)
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

/** Every component has module `m`, with a mutation or an action of any name that a test may give. */
function createApp(mounted: readonly { readonly name: string; readonly id: string }[]): LoadedApp {
  const analyzed = (name: string, udfType: 'Query' | 'Mutation' | 'Action') =>
    ({ name, pos: null, udfType, visibility: { kind: 'internal' }, args: '{"type":"any"}', returns: 'null' }) as const
  const functions = [
    analyzed('touch', 'Mutation'),
    analyzed('work', 'Mutation'),
    analyzed('act', 'Action'),
    analyzed('look', 'Query'),
  ]
  const code = new LoadedCode({
    bundle: { version: '1', modules: new Map(), importSeed: '00'.repeat(32), importTimeMs: 0 },
    serverVersion: '1.48.0',
    modules: new Map([['m.js', { functions, reuseContext: false, httpRoutes: undefined, cronsText: undefined }]]),
  })
  const definition = emptyAppDefinition
  const root = new LoadedComponent({ id: '', name: '', definition, code, parent: undefined })
  const children = mounted.map((child) => new LoadedComponent({ ...child, definition, code, parent: root }))
  return new LoadedApp([root, ...children], new Uint8Array(32))
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
