/**
 * Cached snapshots at any ts, with appends and reads that are held up, commits in between and caches of all sizes,
 * against what storage itself holds at that ts once everything has landed.
 */
import { MemoryDisk, MemoryStorage, type KeyRange, type ReadOp, type StoredDocument, type Ts } from '@concave/storage'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  byValue,
  documentSize,
  effectsOf,
  HoldableStorage,
  idOf,
  ManualClock,
  readCacheSizes,
  silentLog,
  table,
  valueRange,
} from './committer-fixture.ts'
import { Committer } from './committer.ts'
import { keyAfter, ReadSet } from './read-set.ts'

type Step =
  | { readonly kind: 'commit'; readonly changes: readonly { readonly number: number; readonly value: number | null }[] }
  | { readonly kind: 'get'; readonly numbers: readonly number[]; readonly age: number; readonly isHeld: boolean }
  | {
      readonly kind: 'scan'
      readonly from: number
      /** Undefined: to the end. */
      readonly width: number | undefined
      readonly order: 'asc' | 'desc'
      readonly limit: number
      readonly maxBytes: number
      readonly age: number
      readonly isHeld: boolean
    }
  | { readonly kind: 'getByRange'; readonly number: number; readonly age: number }
  | { readonly kind: 'pause' | 'holdAppend' | 'releaseAppend' | 'releaseRead' | 'prune' }

const number = fc.nat(8)
/** How many commits back; mostly none. */
const age = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.nat(6) })
const isHeld = fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) })

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('commit' as const),
      changes: fc.uniqueArray(fc.record({ number, value: fc.option(fc.nat(3), { nil: null, freq: 3 }) }), {
        minLength: 1,
        maxLength: 3,
        selector: (change) => change.number,
      }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('get' as const),
      numbers: fc.array(number, { minLength: 1, maxLength: 3 }),
      age,
      isHeld,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('scan' as const),
      from: fc.nat(2),
      width: fc.option(fc.integer({ min: 1, max: 2 }), { nil: undefined, freq: 3 }),
      order: fc.constantFrom('asc' as const, 'desc' as const),
      limit: fc.integer({ min: 1, max: 5 }),
      maxBytes: fc.constantFrom(1, 2 * documentSize, 1000, 1000),
      age,
      isHeld,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('getByRange' as const), number, age }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'pause' as const,
        'holdAppend' as const,
        'releaseAppend' as const,
        'releaseRead' as const,
        'prune' as const,
      ),
    }),
  },
)

type Observed = {
  readonly op: ReadOp
  readonly at: Ts
  readonly documents: readonly (StoredDocument | undefined)[]
  readonly exhausted: boolean | undefined
}

class Run {
  readonly committer: Committer
  readonly #storage: HoldableStorage
  readonly #clock: ManualClock
  readonly #commits: Ts[] = [0n]
  readonly #current = new Map<number, StoredDocument>()
  readonly #answers: Promise<Observed>[] = []
  readonly #heldReads: (() => void)[] = []
  readonly #heldAppends: (() => void)[] = []

  private constructor(committer: Committer, storage: HoldableStorage, clock: ManualClock) {
    this.committer = committer
    this.#storage = storage
    this.#clock = clock
  }

  static async open(disk: MemoryDisk, readCacheBytes: number): Promise<Run> {
    const storage = new HoldableStorage(new MemoryStorage({ disk }))
    const clock = new ManualClock()
    const committer = await Committer.open({ storage, clock, log: silentLog, readCacheBytes })
    return new Run(committer, storage, clock)
  }

  async perform(next: Step): Promise<void> {
    switch (next.kind) {
      case 'commit':
        this.#commit(next.changes)
        return
      case 'get': {
        const ids = next.numbers.map(idOf)
        const op: ReadOp = { kind: 'get', tablet: table, ids }
        await this.#ask(next.isHeld, next.age, async (at) => {
          const documents = await this.committer.snapshot(at).get(table, ids)
          return { op, at, documents, exhausted: undefined }
        })
        return
      }
      case 'scan': {
        const { from, width, order, limit, maxBytes } = next
        const range =
          width === undefined ? { from: Uint8Array.of(from), to: undefined } : valueRange(from, from + width)
        const op: ReadOp = { kind: 'scanIndex', index: byValue, tablet: table, range, order, limit, maxBytes }
        await this.#ask(next.isHeld, next.age, async (at) => {
          const page = await this.committer.snapshot(at).scanIndex(byValue, table, range, order, limit, maxBytes)
          return { op, at, documents: page.rows, exhausted: page.exhausted }
        })
        return
      }
      case 'getByRange': {
        const id = idOf(next.number)
        const range: KeyRange = { from: id, to: keyAfter(id) }
        const options = { tablet: table, range, order: 'asc', limit: 2, maxBytes: 1000 } as const
        await this.#ask(false, next.age, async (at) => {
          const page = await this.committer.snapshot(at).scanDocuments(table, range, 'asc', 2, 1000)
          return { op: { kind: 'scanDocuments', ...options }, at, documents: page.rows, exhausted: page.exhausted }
        })
        return
      }
      case 'pause':
        await new Promise(setImmediate)
        return
      case 'holdAppend':
        this.#heldAppends.push(this.#storage.holdNextAppend().release)
        return
      case 'releaseAppend':
        this.#heldAppends.shift()?.()
        return
      case 'releaseRead':
        this.#heldReads.shift()?.()
        return
      case 'prune':
        // Nothing that these snapshots need, but the engine may move its rows.
        await this.#storage.prune({ history: 0n, log: 0n, tablets: [], indexes: [] }, 100)
    }
  }

  async finish(): Promise<readonly Observed[]> {
    for (const release of [...this.#heldReads, ...this.#heldAppends]) release()
    const observed = await Promise.all(this.#answers)
    await this.committer.whenDurable(this.committer.appliedTs)
    return observed
  }

  #commit(changes: readonly { readonly number: number; readonly value: number | null }[]): void {
    this.#clock.wallNs += 1n
    const list = changes.map((change) => ({
      id: idOf(change.number),
      before: this.#current.get(change.number),
      value: change.value,
    }))
    const { ts } = this.committer.commit({
      beginTs: this.committer.appliedTs,
      reads: new ReadSet(),
      source: 'test',
      build: () => effectsOf(list),
    })
    this.#commits.push(ts)
    for (const change of changes) {
      const id = idOf(change.number)
      if (change.value === null) this.#current.delete(change.number)
      else
        this.#current.set(change.number, { id, ts, text: JSON.stringify({ value: change.value }), size: documentSize })
    }
  }

  async #ask(hold: boolean, commitsBack: number, read: (at: Ts) => Promise<Observed>): Promise<void> {
    if (hold) this.#heldReads.push(this.#storage.holdNextRead().release)
    const answer = read(this.#commits[Math.max(0, this.#commits.length - 1 - commitsBack)] ?? 0n)
    this.#answers.push(answer)
    if (!hold) await Promise.race([answer, new Promise(setImmediate)])
  }
}

test('cached snapshots answer what storage holds at their ts', async () => {
  const steps = fc.array(step, { minLength: 20, maxLength: 70, size: 'max' })
  await fc.assert(
    fc.asyncProperty(steps, fc.constantFrom(...readCacheSizes), async (list, readCacheBytes) => {
      const disk = new MemoryDisk()
      const run = await Run.open(disk, readCacheBytes)
      for (const next of list) await run.perform(next)
      const observed = await run.finish()
      await run.committer.close()
      const storage = new MemoryStorage({ disk })
      await storage.open()
      for (const { op, at, documents, exhausted } of observed) {
        const [expected] = await storage.read(at, [op])
        expect(documents).toEqual(
          expected?.kind === 'get' ? expected.documents : expected?.kind === 'scan' && expected.rows,
        )
        const all = await countRows(storage, op, at)
        expect(exhausted === true ? documents.length : all).toBe(all)
      }
      await storage.close()
    }),
    { numRuns: 300 },
  )
}, 60_000)

/** Rows of the range without limits. */
async function countRows(storage: MemoryStorage, op: ReadOp, at: Ts): Promise<number> {
  if (op.kind === 'get') return op.ids.length
  if (op.kind === 'scanKeys' || op.kind === 'countKeys') throw new Error('Keys alone are not cached.')
  const [page] = await storage.read(at, [{ ...op, limit: 1000, maxBytes: 1_000_000 }])
  return page?.kind === 'scan' ? page.rows.length : 0
}
