// oxlint-disable vitest/no-standalone-expect -- steps of the subject expect
// Text search against a naive one: all documents in a map, scored one by one. Transactions at old and new snapshots,
// with writes of their own, while commits are applied and not yet durable.
import { FaultyStorage, MemoryStorage, type Ts } from '@concave/storage'
import fc from 'fast-check'
import { expect, test } from 'vitest'

import type { Database } from '../database.ts'
import { collect, openTestDatabase, patchOf, value } from '../database-fixture.ts'
import type { ReadSet } from '../read-set.ts'
import type { Transaction } from '../transaction.ts'
import { createSearchTable, textSearch } from './search-fixture.ts'

const vocabulary = ['a', 'ab', 'ABC', 'abd', 'b', 'ba', 'É', 'éa', 'z9', 'toolong'.repeat(8)] as const
const channels = ['x', 'y', 1, null, undefined] as const

type Fields = { readonly words: readonly string[] | undefined; readonly channel: unknown; readonly kind: unknown }
type Stored = Fields & { readonly _id: string; readonly _creationTime: number; readonly note?: number }
type Documents = ReadonlyMap<string, Stored>
type Search = {
  readonly words: readonly string[]
  readonly channel: { readonly value: unknown } | undefined
  readonly kind: { readonly value: unknown } | undefined
}

const words = fc.array(fc.constantFrom(...vocabulary), { maxLength: 5 })
const fields: fc.Arbitrary<Fields> = fc.record({
  words: fc.option(words, { nil: undefined, freq: 8 }),
  channel: fc.constantFrom(...channels),
  kind: fc.constantFrom('k', 'l'),
})
const search: fc.Arbitrary<Search> = fc.record({
  words: fc.array(fc.constantFrom(...vocabulary), { minLength: 1, maxLength: 3 }),
  channel: fc.option(
    fc.constantFrom(...channels).map((found) => ({ value: found })),
    { nil: undefined },
  ),
  kind: fc.option(
    fc.constantFrom('k', 'l', undefined).map((found) => ({ value: found })),
    { nil: undefined, freq: 2 },
  ),
})

type Step =
  | { readonly kind: 'insert'; readonly fields: Fields }
  | { readonly kind: 'patch'; readonly document: number; readonly fields: Fields }
  | { readonly kind: 'touch'; readonly document: number; readonly note: number }
  | { readonly kind: 'delete'; readonly document: number }
  | { readonly kind: 'search'; readonly search: Search }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('insert' as const), fields }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('patch' as const), document: fc.nat(), fields }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('touch' as const), document: fc.nat(), note: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), document: fc.nat() }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('search' as const), search }) },
)

/** One transaction: how it begins, what it does, whether its commit lingers before it is durable. */
type Run = {
  readonly snapshot: 'applied' | 'durable' | 'old'
  readonly steps: readonly Step[]
  readonly lingers: boolean
}

const run: fc.Arbitrary<Run> = fc.record({
  snapshot: fc.constantFrom('applied', 'applied', 'durable', 'old'),
  steps: fc.array(step, { minLength: 1, maxLength: 8 }),
  lingers: fc.boolean(),
})

/** As it is; one that reads group by group; one that keeps next to nothing. */
const caches = fc.constantFrom({}, { maxUngroupedPostings: 1 }, { maxBytes: 2000 })

// oxlint-disable-next-line vitest/expect-expect -- the subject expects
test('finds what a naive search finds, at every snapshot, and is told of every change', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(run, { minLength: 1, maxLength: 14 }), caches, async (runs, textCache) => {
      const storage = new FaultyStorage(new MemoryStorage())
      const database = await openTestDatabase({ storage, textCache })
      await createSearchTable(database, 'notes', {
        by_text: { searchField: 'nested.text', filterFields: ['channel', 'kind'] },
      })
      const subject = new Subject(database, storage)
      for (const next of runs) await subject.perform(next)
      await subject.finish()
    }),
    { numRuns: 250 },
  )
}, 120_000)

class Subject {
  readonly #database: Database
  readonly #storage: FaultyStorage
  /** States by commit, ascending. */
  readonly #states: { readonly ts: Ts; readonly documents: Documents }[]
  readonly #watched: { readonly reads: ReadSet; readonly at: Ts; readonly search: Search; readonly found: string }[] =
    []
  #release: (() => void) | undefined

  constructor(database: Database, storage: FaultyStorage) {
    this.#database = database
    this.#storage = storage
    this.#states = [{ ts: database.committer.appliedTs, documents: new Map() }]
  }

  async perform({ snapshot, steps, lingers }: Run): Promise<void> {
    const { committer } = this.#database
    const writes = snapshot === 'applied'
    const at =
      snapshot === 'applied'
        ? committer.appliedTs
        : snapshot === 'durable'
          ? committer.durableTs
          : (this.#states[Math.floor(this.#states.length / 2)]?.ts ?? committer.durableTs)
    const tx = this.#database.begin(writes ? 'mutation' : 'query', { at })
    const documents = new Map(this.#states.findLast(({ ts }) => ts <= at)?.documents)
    for (const next of steps) await this.#step(tx, documents, next)
    if (!tx.hasWrites) return
    const held = lingers && this.#release === undefined ? this.#storage.holdNextAppend() : undefined
    const { ts, durable } = this.#database.commit(tx, 'test')
    this.#states.push({ ts, documents })
    if (held !== undefined) {
      await held.arrived
      this.#release = held.release
    } else if (this.#release !== undefined && !lingers) {
      this.#release()
      this.#release = undefined
      await durable
    }
  }

  /** What was found and not invalidated since is what is found now. */
  async finish(): Promise<void> {
    this.#release?.()
    await this.#database.committer.whenDurable(this.#database.committer.appliedTs)
    const at = this.#database.latestTs()
    for (const { reads, at: since, search: watched, found } of this.#watched) {
      const subscription = this.#database.subscribe(reads, since, () => undefined)
      if (!subscription.isValid) continue
      expect(contentOf(rank(this.#states.at(-1)?.documents ?? new Map(), watched))).toBe(found)
      subscription.close()
    }
    for (const { ts, documents } of this.#states) {
      for (const watched of this.#watched.slice(0, 5)) {
        expect(ts).toBeLessThanOrEqual(at)
        const tx = this.#database.begin('query', { at: ts })
        expect(idsOf(await collect(tx, toQuery(watched.search)))).toEqual(idsOf(rank(documents, watched.search)))
      }
    }
    await this.#database.close()
  }

  async #step(tx: Transaction, documents: Map<string, Stored>, next: Step): Promise<void> {
    if (next.kind === 'search') {
      const found = await collect(tx, toQuery(next.search))
      const expected = rank(documents, next.search)
      expect(idsOf(found)).toEqual(idsOf(expected))
      if (!tx.hasWrites) {
        const reads = tx.reads.clone()
        if (tx.beginTs > this.#database.latestTs()) return
        this.#watched.push({ reads, at: tx.beginTs, search: next.search, found: contentOf(expected) })
      }
      return
    }
    if (tx.kind === 'query') return
    if (next.kind === 'insert') {
      const id = await tx.insert('notes', value(toDocument(next.fields)))
      documents.set(id, await read(tx, id, next.fields))
      return
    }
    const ids = [...documents.keys()]
    const id = ids[next.document % ids.length]
    const before = id === undefined ? undefined : documents.get(id)
    if (id === undefined || before === undefined) return
    if (next.kind === 'delete') {
      await tx.delete(id)
      documents.delete(id)
    } else if (next.kind === 'touch') {
      await tx.patch(id, patchOf({ note: next.note }))
      documents.set(id, { ...(await read(tx, id, before)), note: next.note })
    } else {
      await tx.replace(id, value(toDocument(next.fields)))
      documents.set(id, await read(tx, id, next.fields))
    }
  }
}

async function read(tx: Transaction, id: string, { words: list, channel, kind }: Fields): Promise<Stored> {
  const document = await tx.get(id)
  return { _id: id, _creationTime: document?.creationTime ?? Number.NaN, words: list, channel, kind }
}

function toDocument({ words: list, channel, kind }: Fields): object {
  return {
    ...(list === undefined ? { nested: 'no text' } : { nested: { text: list.join(' ') } }),
    ...(channel === undefined ? {} : { channel }),
    kind,
  }
}

function toQuery({ words: list, channel, kind }: Search): object {
  return textSearch('notes.by_text', 'nested.text', list.join(', '), {
    ...(channel === undefined ? {} : { channel: channel.value }),
    ...(kind === undefined ? {} : { kind: kind.value }),
  })
}

/** The whole search, done the slow way. */
function rank(documents: Documents, { words: list, channel, kind }: Search): readonly Stored[] {
  const termsOf = (texts: readonly string[] | undefined): readonly string[] =>
    (texts ?? []).filter((word) => word.length < 32).map((word) => word.toLowerCase())
  const all = Array.from(documents.values(), (document) => ({ document, terms: termsOf(document.words) }))
  const average = all.reduce((sum, { terms }) => sum + terms.length, 0) / all.length
  const searched = termsOf(list)
  const last = searched.at(-1)
  const index = new Set(all.flatMap(({ terms }) => terms))
  const boosts = new Map<string, number>()
  for (const term of index) {
    if (last !== undefined && term.startsWith(last)) boosts.set(term, 0.5)
    if (searched.includes(term)) boosts.set(term, 1)
  }
  const scored = all.flatMap(({ document, terms }) => {
    let score = 0
    let isHit = false
    for (const [term, boost] of boosts) {
      const frequency = terms.filter((other) => other === term).length
      if (frequency === 0) continue
      isHit = true
      const count = all.filter((other) => other.terms.includes(term)).length
      const weight = Math.log(1 + (all.length - count + 0.5) / (count + 0.5)) * 2.2 * boost
      score += (weight * frequency) / (frequency + 1.2 * (0.25 + (0.75 * terms.length) / average))
    }
    const passes =
      (channel === undefined || document.channel === channel.value) &&
      (kind === undefined || document.kind === kind.value)
    return isHit && passes ? [{ document, score: Math.fround(score) }] : []
  })
  return scored
    .toSorted(
      (a, b) =>
        b.score - a.score ||
        b.document._creationTime - a.document._creationTime ||
        (a.document._id < b.document._id ? 1 : -1),
    )
    .map(({ document }) => document)
}

function idsOf(documents: readonly { readonly _id?: unknown }[]): readonly unknown[] {
  return documents.map(({ _id }) => _id)
}

/** Which documents, and what is in them; their order may move with what else there is. */
function contentOf(documents: readonly Stored[]): string {
  return documents
    .map((document) => JSON.stringify(document))
    .toSorted()
    .join()
}
