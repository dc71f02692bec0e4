/**
 * Random concurrent transactions and live queries against the real committer, in every interleaving of storage's
 * answers that the scheduler comes up with, with appends that fail, hang or lose their answer, and restarts. Afterwards
 * the commits that storage holds are run again, one by one in timestamp order, on a naive model; every answer that
 * anyone got must be the model's answer at its timestamp.
 */
import { assert, bytesCompare, createDeferred } from '@concave/base'
import {
  FaultyStorage,
  MemoryDisk,
  MemoryStorage,
  type Appended,
  type Commit,
  type Head,
  type ReadOp,
  type ReadResult,
  type StoredDocument,
  type Ts,
} from '@concave/storage'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CommitConflict, CommitterFailed } from './commit-errors.ts'
import {
  byId,
  byValue,
  documentSize,
  effectsOf,
  everything,
  idOf,
  numberOf,
  readCacheSizes,
  silentLog,
  table,
  valueKey,
  valueOf,
  valueRange,
  type Change,
} from './committer-fixture.ts'
import { Committer } from './committer.ts'
import { keyAfter, ReadSet } from './read-set.ts'
import type { Snapshot } from './snapshot.ts'
import type { Subscription } from './subscriptions.ts'

type Read =
  | { readonly kind: 'get'; readonly number: number }
  | {
      readonly kind: 'scan'
      readonly order: 'asc' | 'desc'
      readonly from: number
      readonly width: number
      readonly limit: number
      readonly maxBytes: number
    }

type Program = {
  readonly kind: 'mutation' | 'query' | 'live'
  readonly reads: readonly Read[]
  /** What is written depends on everything that was read. */
  readonly writes: readonly { readonly number: number; readonly offset: number }[]
}

/** [number, value] of the documents found. */
type Answer = readonly (readonly [number, number])[]

/** Somebody saw `answers` as the state at `ts`. */
type Observation = { readonly ts: Ts; readonly program: Program; readonly answers: readonly Answer[] }

/** What happens to an append. */
type Fault = 'none' | 'failBefore' | 'failAfter' | 'hangBefore' | 'hangAfter'

const read: fc.Arbitrary<Read> = fc.oneof(
  fc.record({ kind: fc.constant('get' as const), number: fc.nat(8) }),
  fc.record({
    kind: fc.constant('scan' as const),
    order: fc.constantFrom('asc' as const, 'desc' as const),
    from: fc.nat(5),
    width: fc.integer({ min: 1, max: 6 }),
    limit: fc.integer({ min: 1, max: 3 }),
    maxBytes: fc.constantFrom(2 * documentSize, 1000),
  }),
)

const program: fc.Arbitrary<Program> = fc.record({
  kind: fc.oneof(
    { weight: 6, arbitrary: fc.constant('mutation' as const) },
    { weight: 1, arbitrary: fc.constant('query' as const) },
    { weight: 2, arbitrary: fc.constant('live' as const) },
  ),
  reads: fc.array(read, { maxLength: 2 }),
  writes: fc.array(fc.record({ number: fc.nat(8), offset: fc.nat(7) }), { maxLength: 2 }),
})

const epoch = fc.record({
  programs: fc.array(program, { minLength: 1, maxLength: 12 }),
  faults: fc.array(
    fc.constantFrom<Fault>('none', 'none', 'none', 'none', 'failBefore', 'failAfter', 'hangBefore', 'hangAfter'),
    { maxLength: 5 },
  ),
})

/** Everything that a run asks: what it reads, and what it writes. */
function readsOf({ reads, writes }: Program): readonly Read[] {
  return [...reads, ...writes.map(({ number }): Read => ({ kind: 'get', number }))]
}

/** What the program writes after these answers: a number has at most one change. */
function decide({ writes }: Program, answers: readonly Answer[]): ReadonlyMap<number, number | null> {
  const sum = answers.flat().reduce((total, [number, value]) => total + number + value, 0)
  return new Map(writes.map(({ number, offset }) => [number, (sum + offset) % 5 === 0 ? null : (sum + offset) % 7]))
}

/** The naive answer: look at everything. */
function answerOf(version: ReadonlyMap<number, number>, question: Read): Answer {
  if (question.kind === 'get') {
    const value = version.get(question.number)
    return value === undefined ? [] : [[question.number, value]]
  }
  const { from, width, order, limit, maxBytes } = question
  const found = [...version]
    .filter(([, value]) => value >= from && value < from + width)
    .toSorted((a, b) => bytesCompare(valueKey(a[1], idOf(a[0])), valueKey(b[1], idOf(b[0]))))
  return (order === 'asc' ? found : found.toReversed()).slice(0, Math.min(limit, Math.ceil(maxBytes / documentSize)))
}

/** A transaction's reads on the real thing, with its read set. */
class Reader {
  readonly reads = new ReadSet()
  readonly documents = new Map<number, StoredDocument>()
  readonly #snapshot: Snapshot

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot
  }

  async answerAll(program: Program): Promise<readonly Answer[]> {
    const answers: Answer[] = []
    for (const question of readsOf(program)) answers.push(await this.#answer(question))
    return answers
  }

  async #answer(question: Read): Promise<Answer> {
    if (question.kind === 'get') {
      const id = idOf(question.number)
      this.reads.addKey(byId, id)
      const [document] = await this.#snapshot.get(table, [id])
      if (document === undefined) return []
      this.documents.set(question.number, document)
      return [[question.number, valueOf(document)]]
    }
    const { from, width, order, limit, maxBytes } = question
    const range = valueRange(from, from + width)
    const page = await this.#snapshot.scanIndex(byValue, table, range, order, limit, maxBytes)
    const last = page.rows.at(-1)
    if (page.exhausted || last === undefined) this.reads.addInterval(byValue, range.from, range.to)
    else if (order === 'asc') this.reads.addInterval(byValue, range.from, keyAfter(last.key))
    else this.reads.addInterval(byValue, last.key, range.to)
    return page.rows.map((row) => [numberOf(row.id), valueOf(row)])
  }
}

/** Storage whose every answer waits for the scheduler. */
class ScheduledStorage extends FaultyStorage {
  readonly #scheduler: fc.Scheduler
  readonly #faults: Fault[]

  constructor(storage: MemoryStorage, scheduler: fc.Scheduler, faults: readonly Fault[]) {
    super(storage)
    this.#scheduler = scheduler
    this.#faults = [...faults]
  }

  override async read(at: Ts, ops: readonly ReadOp[]): Promise<ReadResult[]> {
    await this.#scheduler.schedule(Promise.resolve(), 'read asked')
    const results = await super.read(at, ops)
    await this.#scheduler.schedule(Promise.resolve(), 'read answered')
    return results
  }

  override async append(expect_: Head, batchId: string, batch: readonly Commit[]): Promise<Appended> {
    const fault = this.#faults.shift() ?? 'none'
    if (fault === 'hangBefore') return createDeferred<Appended>().promise
    // An append takes long compared with a read, so that several commits gather behind it.
    for (let step = 1; step <= 4; step += 1) await this.#scheduler.schedule(Promise.resolve(), `append: ${fault}`)
    if (fault === 'failBefore') throw new Error('Injected: the append failed.')
    const appended = await super.append(expect_, batchId, batch)
    if (fault === 'hangAfter') return createDeferred<Appended>().promise
    await this.#scheduler.schedule(Promise.resolve(), 'append answered')
    if (fault === 'failAfter') throw new Error('Injected: the answer was lost.')
    return appended
  }
}

type LiveQuery = { readonly program: Program; answers: readonly Answer[]; subscription: Subscription | undefined }

/** One life of the process: its programs run at the same time until nothing moves any more. */
class Epoch {
  readonly observations: Observation[] = []
  readonly acknowledged: Ts[] = []
  readonly errors: unknown[] = []
  readonly live: LiveQuery[] = []
  readonly #committer: Committer
  readonly #scheduler: fc.Scheduler
  /** The program and the answers behind each commit, by its ts. */
  readonly #commits: Map<Ts, Omit<Observation, 'ts'>>
  isFailed = false

  constructor(committer: Committer, scheduler: fc.Scheduler, commits: Map<Ts, Omit<Observation, 'ts'>>) {
    this.#committer = committer
    this.#scheduler = scheduler
    this.#commits = commits
    void committer.failed.then(() => (this.isFailed = true))
    committer.onPublished(() => this.#observeLive())
  }

  start(programs: readonly Program[]): void {
    for (const program of programs) {
      const begun = this.#scheduler.schedule(Promise.resolve(), program.kind)
      this.#own(begun.then(() => this.#run(program)))
    }
  }

  async #run(program: Program): Promise<void> {
    if (program.kind === 'mutation') await this.#mutate(program)
    else if (program.kind === 'query') await this.#query(program)
    else await this.#watch(program)
  }

  /** What live queries show without having been told otherwise is claimed to be true now. */
  #observeLive(): void {
    const ts = this.#committer.durableTs
    for (const { program, answers, subscription } of this.live) {
      if (subscription?.isValid === true) this.observations.push({ ts, program, answers })
    }
  }

  #own(task: Promise<void>): void {
    task.catch((error: unknown) => {
      if (!(error instanceof CommitterFailed)) this.errors.push(error)
    })
  }

  async #mutate(program: Program): Promise<void> {
    for (let attempt = 1; attempt <= 4; attempt += 1) {
      const beginTs = this.#committer.appliedTs
      const reader = new Reader(this.#committer.snapshot(beginTs))
      const answers = await reader.answerAll(program)
      const changes: readonly Change[] = [...decide(program, answers)].map(([number, value]) => ({
        id: idOf(number),
        before: reader.documents.get(number),
        value,
      }))
      if (changes.every(({ before, value }) => before === undefined && value === null)) {
        await this.#committer.whenDurable(beginTs)
        this.observations.push({ ts: beginTs, program, answers })
        return
      }
      const ts = this.#tryCommit({ beginTs, reads: reader.reads, changes, program, answers })
      if (ts === undefined) continue
      await ts.durable
      this.acknowledged.push(ts.ts)
      assert(this.#committer.durableTs >= ts.ts, 'An acknowledged commit is published.')
      return
    }
  }

  #tryCommit(options: {
    readonly beginTs: Ts
    readonly reads: ReadSet
    readonly changes: readonly Change[]
    readonly program: Program
    readonly answers: readonly Answer[]
  }): ReturnType<Committer['commit']> | undefined {
    const { beginTs, reads, changes, program, answers } = options
    try {
      const committed = this.#committer.commit({ beginTs, reads, source: 'mutation', build: () => effectsOf(changes) })
      this.#commits.set(committed.ts, { program, answers })
      return committed
    } catch (error) {
      if (error instanceof CommitConflict) return undefined
      throw error
    }
  }

  async #query(program: Program): Promise<void> {
    const ts = this.#committer.durableTs
    const snapshot = this.#committer.snapshot(ts)
    this.observations.push({ ts, program, answers: await new Reader(snapshot).answerAll(program) })
    this.observations.push({ ts, program, answers: await new Reader(snapshot).answerAll(program) })
  }

  async #watch(program: Program): Promise<void> {
    const query: LiveQuery = { program, answers: [], subscription: undefined }
    this.live.push(query)
    await this.#refresh(query)
  }

  async #refresh(query: LiveQuery): Promise<void> {
    const ts = this.#committer.durableTs
    const reader = new Reader(this.#committer.snapshot(ts))
    const answers = await reader.answerAll(query.program)
    query.answers = answers
    this.observations.push({ ts, program: query.program, answers })
    query.subscription = this.#committer.subscribe(reader.reads, ts, (invalidatedAt) => {
      assert(invalidatedAt > ts, 'What invalidates a snapshot comes after it.')
      this.#own(this.#refresh(query))
    })
  }
}

/** Runs the commits of the log again in order; the state after each. */
function replay(
  log: readonly Commit[],
  commits: ReadonlyMap<Ts, Omit<Observation, 'ts'>>,
): readonly { readonly ts: Ts; readonly version: ReadonlyMap<number, number> }[] {
  const history: { ts: Ts; version: ReadonlyMap<number, number> }[] = [{ ts: 0n, version: new Map() }]
  for (const { ts, documents } of log) {
    const version = new Map(history.at(-1)?.version)
    const made = commits.get(ts)
    if (made === undefined) throw new Error(`Nobody made the commit ${ts}.`)
    expect(made.answers).toEqual(readsOf(made.program).map((question) => answerOf(version, question)))
    for (const [number, value] of decide(made.program, made.answers)) {
      if (value === null) version.delete(number)
      else version.set(number, value)
    }
    for (const { id, text } of documents) {
      expect(version.get(numberOf(id)) ?? null).toBe(
        text === null ? null : (JSON.parse(text) as { value: number }).value,
      )
    }
    history.push({ ts, version })
  }
  return history
}

test('every answer is the answer of the commits run one by one, whatever fails', async () => {
  const epochs = fc.array(epoch, { minLength: 1, maxLength: 3 })
  const readCacheBytes = fc.constantFrom(...readCacheSizes)
  const wall = fc.array(fc.nat(60), { minLength: 1, maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), epochs, wall, readCacheBytes, async (scheduler, plans, wallTimes, cacheBytes) => {
      const disk = new MemoryDisk()
      const commits = new Map<Ts, Omit<Observation, 'ts'>>()
      const runs: Epoch[] = []
      let ticks = 0
      const nowNs = (): bigint => BigInt(wallTimes[(ticks += 1) % wallTimes.length] ?? 0)
      const clock = { nowNs, nowMs: () => 0, monotonicMs: () => 0 }
      for (const { programs, faults } of plans) {
        disk.isInUse = false
        const storage = new ScheduledStorage(new MemoryStorage({ disk }), scheduler, faults)
        const committer = await Committer.open({ storage, clock, log: silentLog, readCacheBytes: cacheBytes })
        const run = new Epoch(committer, scheduler, commits)
        runs.push(run)
        run.start(programs)
        await scheduler.waitIdle()
        expect(run.errors).toEqual([])
        for (const { program, answers, subscription } of run.live) {
          if (run.isFailed) continue
          expect(subscription?.isValid).toBe(true)
          run.observations.push({ ts: committer.durableTs, program, answers })
        }
      }
      const log = disk.log.map(({ commit }) => commit)
      const history = replay(log, commits)
      const logged = new Set(log.map(({ ts }) => ts))
      for (const { observations, acknowledged } of runs) {
        for (const ts of acknowledged) expect(logged.has(ts)).toBe(true)
        for (const { ts, program, answers } of observations) {
          const version = history.findLast((entry) => entry.ts <= ts)?.version ?? new Map<number, number>()
          expect(answers).toEqual(readsOf(program).map((question) => answerOf(version, question)))
        }
      }
      disk.isInUse = false
      const reopened = await Committer.open({ storage: new MemoryStorage({ disk }), clock, log: silentLog })
      const snapshot = reopened.snapshot(reopened.durableTs)
      const { rows } = await snapshot.scanIndex(byValue, table, everything, 'asc', 100, 10_000)
      const final = new Map(rows.map((row) => [numberOf(row.id), valueOf(row)]))
      expect(final).toEqual(new Map(history.at(-1)?.version))
    }),
    { numRuns: 300 },
  )
}, 60_000)
