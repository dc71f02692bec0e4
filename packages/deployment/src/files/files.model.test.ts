// Whatever is stored, deleted, given up, interrupted and collected, in whatever order: a file that a snapshot shows has
// its content, and in the end there is one blob per file.
import { rejects, strictEqual, throws } from 'node:assert/strict'
import { WriteConflict } from '@concave/base'
import { type Blobs, type Content, MemoryBlobs } from '@concave/blobs'
import { systemTransactionLimits, type Transaction } from '@concave/database'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fileLimits } from './file-limits.ts'
import { chunks, mutate, openTestFiles, TestClock, type TestFiles } from './files-fixture.ts'

type Step =
  | { readonly kind: 'upload'; readonly outcome: 'stored' | 'brokenOff' | 'crashedBeforeCommit' }
  | { readonly kind: 'stage'; readonly count: number; readonly outcome: 'committed' | 'abandoned' | 'conflict' }
  | { readonly kind: 'delete' | 'stageAndDelete'; readonly which: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'collect' | 'reopen' }

const which = fc.nat({ max: 1000 })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('upload' as const),
    outcome: fc.constantFrom(
      'stored' as const,
      'stored' as const,
      'brokenOff' as const,
      'crashedBeforeCommit' as const,
    ),
  }),
  fc.record({
    kind: fc.constant('stage' as const),
    count: fc.integer({ min: 1, max: 3 }),
    outcome: fc.constantFrom('committed' as const, 'committed' as const, 'abandoned' as const, 'conflict' as const),
  }),
  fc.record({ kind: fc.constantFrom('delete' as const, 'delete' as const, 'stageAndDelete' as const), which }),
  fc.record({
    kind: fc.constant('wait' as const),
    ms: fc.constantFrom(1, 60_000, fileLimits.deletedContentMs / 2, fileLimits.deletedContentMs + 1),
  }),
  fc.record({ kind: fc.constantFrom('collect' as const, 'collect' as const, 'reopen' as const) }),
)

/** Blobs whose next `put` ends the process, as far as its caller can tell. */
class CrashingBlobs extends MemoryBlobs implements Blobs {
  crashesNext = false

  override async put(key: string, content: Content): Promise<{ readonly sizeBytes: number }> {
    const stored = await super.put(key, content)
    if (!this.crashesNext) return stored
    this.crashesNext = false
    throw new Error('crash')
  }
}

class World {
  readonly #clock: TestClock
  readonly #blobs: CrashingBlobs
  /** Ids and contents of all files that there should be. */
  readonly #contents = new Map<string, string>()
  /** What transactions that began in between must see, for as long as they may go on. */
  #snapshots: { readonly tx: Transaction; readonly ms: number; readonly contents: ReadonlyMap<string, string> }[] = []
  #subject: TestFiles
  #stored = 0

  static async open(): Promise<World> {
    const [clock, blobs] = [new TestClock(), new CrashingBlobs()]
    return new World(clock, blobs, await openTestFiles({ clock, blobs }))
  }

  private constructor(clock: TestClock, blobs: CrashingBlobs, subject: TestFiles) {
    this.#clock = clock
    this.#blobs = blobs
    this.#subject = subject
  }

  async do(each: Step): Promise<void> {
    const { files, database } = this.#subject
    switch (each.kind) {
      case 'upload': {
        const content = this.#nextContent()
        if (each.outcome === 'stored') this.#contents.set(await files.store('', chunks(content)), content)
        else {
          this.#blobs.crashesNext = each.outcome === 'crashedBeforeCommit'
          const sha256 = each.outcome === 'brokenOff' ? '0'.repeat(64) : undefined
          await rejects(files.store('', chunks(content), { sha256 }))
        }
        break
      }
      case 'stage': {
        const tx = database.begin('mutation')
        if (each.outcome === 'conflict') await tx.count('contended')
        const staged: [string, string][] = []
        for (let count = 0; count < each.count; count += 1) {
          const content = this.#nextContent()
          staged.push([await files.stage(tx, Buffer.from(content), {}), content])
        }
        if (each.outcome === 'abandoned') break
        if (each.outcome === 'conflict') await mutate(this.#subject, (other) => other.insert('contended', {}))
        await files.persist(tx)
        if (each.outcome === 'conflict') throws(() => database.commit(tx, 'test'), WriteConflict)
        else {
          await database.commit(tx, 'test').durable
          for (const [id, content] of staged) this.#contents.set(id, content)
        }
        break
      }
      case 'delete':
      case 'stageAndDelete': {
        const id = [...this.#contents.keys()][each.which % Math.max(1, this.#contents.size)]
        if (id === undefined) break
        const added = each.kind === 'delete' ? undefined : this.#nextContent()
        const addedId = await mutate(this.#subject, async (tx) => {
          await files.delete(tx, id)
          return added === undefined ? undefined : await files.stage(tx, Buffer.from(added), {})
        })
        this.#contents.delete(id)
        if (added !== undefined && addedId !== undefined) this.#contents.set(addedId, added)
        break
      }
      case 'wait':
        this.#clock.advance(each.ms)
        break
      case 'collect':
        await this.#subject.collector.runOnce()
        break
      case 'reopen':
        // Snapshots end with the process.
        this.#snapshots = []
        this.#subject = await this.#subject.reopen()
        break
    }
    const tx = this.#subject.database.begin('mutation', { limits: systemTransactionLimits })
    this.#snapshots.push({ tx, ms: this.#clock.nowMs(), contents: new Map(this.#contents) })
  }

  /** Every transaction that may still go on finds its files whole. */
  async check(): Promise<void> {
    const oldestMs = this.#clock.nowMs() - fileLimits.deletedContentMs
    for (const { tx, ms, contents } of this.#snapshots) {
      if (ms <= oldestMs) continue
      for (const [id, content] of contents) {
        const read = await this.#subject.files.readWhole(tx, id)
        strictEqual(read && Buffer.from(read.content).toString(), content)
      }
    }
  }

  async end(): Promise<void> {
    this.#clock.advance(fileLimits.deletedContentMs + 1)
    await this.#subject.collector.runOnce()
    strictEqual(this.#blobs.count, this.#contents.size)
    await this.#subject[Symbol.asyncDispose]()
  }

  #nextContent(): string {
    return `content ${(this.#stored += 1)}`
  }
}

test('a file that can be seen has its content, and nothing else stays', async () => {
  const holds = fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
    const world = await World.open()
    for (const each of steps) {
      await world.do(each)
      await world.check()
    }
    await world.end()
  })
  await expect(fc.assert(holds, { numRuns: 60 })).resolves.toBeUndefined()
})
