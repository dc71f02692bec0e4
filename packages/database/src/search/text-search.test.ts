import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { Database } from '../database.ts'
import { collect, drain, mutate, openTestDatabase, patchOf, value } from '../database-fixture.ts'
import { createSearchTable, textSearch } from './search-fixture.ts'
import { hashFilter, postingsPrefix } from './text-keys.ts'
import { loadPostings } from './text-reader.ts'

const filterFields = ['channel', ...Array.from({ length: 9 }, (_, position) => `f${position}`)]

describe('a text search', () => {
  let database: Database
  beforeEach(async () => {
    database = await openTestDatabase()
    await createSearchTable(database, 'notes', { by_text: { searchField: 'text', filterFields } })
  })
  afterEach(async () => {
    await database.close()
  })

  async function insert(...texts: readonly string[]): Promise<readonly string[]> {
    return mutate(database, async (tx) => {
      const ids: string[] = []
      for (const text of texts) ids.push(await tx.insert('notes', value({ text, channel: 'c' })))
      return ids
    })
  }

  async function find(
    text: string,
    filters: Readonly<Record<string, unknown>> = {},
    operators: readonly unknown[] = [],
  ): Promise<readonly unknown[]> {
    const query = textSearch('notes.by_text', 'text', text, filters, operators)
    return (await collect(database.begin('query'), query)).map((document) => document['text'])
  }

  it.each([
    [
      'no search',
      [],
      'MissingSearchFilterError',
      'You must include a search filter like `q.search("text", searchText)`.',
    ],
    [
      'two searches',
      [
        { type: 'Search', fieldPath: 'text', value: 'a' },
        { type: 'Search', fieldPath: 'text', value: 'b' },
      ],
      'DuplicateSearchFiltersError',
      'Search query against notes.by_text contains multiple search filters against "text". Only one is allowed.',
    ],
    [
      'another field',
      [{ type: 'Search', fieldPath: 'channel', value: 'a' }],
      'IncorrectSearchField',
      'Search query against notes.by_text contains a search filter against "channel", which doesn\'t match the indexed `searchField` "text".',
    ],
    [
      'a filter that is not indexed',
      [
        { type: 'Search', fieldPath: 'text', value: 'a' },
        { type: 'Eq', fieldPath: 'other', value: 1 },
      ],
      'IncorrectFilterFieldError',
      'Search query against notes.by_text contains an equality filter on "other" but that field isn\'t indexed for filtering in `filterFields`.',
    ],
    [
      'too many filters',
      [
        { type: 'Search', fieldPath: 'text', value: 'a' },
        ...filterFields.slice(0, 9).map((fieldPath) => ({ type: 'Eq', fieldPath, value: 1 })),
      ],
      'TooManyFilterConditionsInSearchQueryError',
      'Search query against notes.by_text has too many filter conditions. Max: 8 Actual: 9',
    ],
  ])('with %s is refused', (_what, filters, code, message) => {
    const query = { source: { type: 'Search', indexName: 'notes.by_text', filters }, operators: [] }
    expect(() => database.begin('query').openCursor(query)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) as string }),
    )
  })

  it('of a database index, and a range of a search index, are refused', async () => {
    const range = { source: { type: 'IndexRange', indexName: 'notes.by_text', range: [], order: 'asc' }, operators: [] }
    expect(() => database.begin('query').openCursor(range)).toThrow('Index notes.by_text is a search index')
    await expect(collect(database.begin('query'), textSearch('notes.other', 'text', 'a'))).rejects.toThrow(
      'Index notes.other not found.',
    )
    expect(await collect(database.begin('query'), textSearch('missing.other', 'text', 'a'))).toEqual([])
  })

  it('ignores words beyond the sixteenth', async () => {
    await insert('first', 'last')
    const words = Array.from({ length: 15 }, (_, number) => `n${number}`).join(' ')
    expect(await find(`${words} last`)).toEqual(['last'])
    expect(await find(`${words} n15 last`)).toEqual([])
  })

  it('expands a prefix to the 64 closest terms', async () => {
    const terms = Array.from({ length: 100 }, (_, number) => `p${String(number).padStart(3, '0')}`)
    await insert(...terms, 'p')
    expect(new Set(await find('p'))).toEqual(new Set(['p', ...terms.slice(0, 63)]))
    expect(new Set(await find('p099 p'))).toEqual(new Set(['p', ...terms.slice(0, 62), 'p099']))
  })

  it('hands out 1024 documents and no more', async () => {
    for (let batch = 0; batch < 3; batch += 1) {
      await insert(...Array.from({ length: 342 }, (_, number) => `common ${batch * 342 + number}`))
    }
    const query = textSearch('notes.by_text', 'text', 'common')
    const message = 'Search query scanned too many documents (fetched 1024).'
    await expect(collect(database.begin('query'), query)).rejects.toThrow(message)
    expect(await find('common', {}, [{ limit: 1024 }])).toHaveLength(1024)
    const cursor = database.begin('query').openCursor(query)
    const rows = []
    while (rows.length < 1024) rows.push(...(await cursor.nextPage(100)).rows)
    expect(rows).toHaveLength(1024)
    await expect(cursor.nextPage(100)).rejects.toThrow(message)
  })

  it('counts the documents that it hands out, and those that filters drop', async () => {
    await insert('a 1', 'a 2', 'a 3')
    const tx = database.begin('query')
    const isThird = { filter: { $eq: [{ $field: 'text' }, { $literal: 'a 3' }] } }
    const query = textSearch('notes.by_text', 'text', 'a', {}, [isThird, { limit: 1 }])
    expect(await collect(tx, query)).toHaveLength(1)
    expect(tx.metrics()).toMatchObject({ documentsRead: { used: 1 }, databaseQueries: { used: 1 } })
    const none = textSearch('notes.by_text', 'text', 'a', {}, [
      { filter: { $eq: [{ $field: 'text' }, { $literal: '' }] } },
    ])
    expect(await collect(tx, none)).toEqual([])
    expect(tx.metrics().documentsRead.used).toBe(4)
  })

  it('is disturbed by what matches it and by nothing else', async () => {
    const [matching, other] = await insert('green apple', 'red cherry')
    const isStillValid = async (change: () => Promise<unknown>): Promise<boolean> => {
      const tx = database.begin('query')
      await collect(tx, textSearch('notes.by_text', 'text', 'green ap', { channel: 'c' }))
      const subscription = database.subscribe(tx.reads, tx.beginTs, () => undefined)
      await change()
      return subscription.isValid
    }
    const add = (text: string, channel: string) => () =>
      mutate(database, (tx) => tx.insert('notes', value({ text, channel })))
    const edit = (id: string | undefined, fields: object) => () =>
      mutate(database, (tx) => tx.patch(id ?? '', patchOf(fields)))
    expect(await isStillValid(add('red cherry', 'c'))).toBe(true)
    expect(await isStillValid(add('green apple', 'elsewhere'))).toBe(true)
    expect(await isStillValid(edit(other, { f1: 1 }))).toBe(true)
    expect(await isStillValid(add('apricot', 'c'))).toBe(false)
    expect(await isStillValid(edit(matching, { f1: 1 }))).toBe(false)
    expect(await isStillValid(edit(matching, { channel: 'elsewhere' }))).toBe(false)
    expect(await isStillValid(edit(matching, { channel: 'c' }))).toBe(false)
    const many = Array.from({ length: 300 }, (_, number) => `w${number}`).join(' ')
    expect(await isStillValid(add(many, 'elsewhere'))).toBe(true)
    expect(await isStillValid(add(many, 'c'))).toBe(false)
  })

  it('goes through a ranking that writes on the way do not change', async () => {
    await insert(...Array.from({ length: 5 }, (_, number) => `word ${number}`))
    await mutate(database, async (tx) => {
      const cursor = tx.openCursor(textSearch('notes.by_text', 'text', 'word'))
      const seen: unknown[] = []
      for (;;) {
        const { rows, done } = await cursor.nextPage(1)
        for (const text of rows) {
          const document = JSON.parse(text) as { _id: string; text: string }
          seen.push(document.text)
          await tx.patch(document._id, patchOf({ text: `${document.text} word word` }))
        }
        if (done) break
      }
      expect(seen).toEqual([4, 3, 2, 1, 0].map((number) => `word ${number}`))
    })
  })

  it('ends the conflict of two mutations of which one searched for what the other wrote', async () => {
    await insert('something')
    const tx = database.begin('mutation')
    await drain(tx.openCursor(textSearch('notes.by_text', 'text', 'unique')))
    await tx.insert('notes', value({ text: 'unique' }))
    const other = database.begin('mutation')
    await other.insert('notes', value({ text: 'unique' }))
    await database.commit(other, 'other').durable
    expect(() => database.commit(tx, 'test')).toThrow(
      'A call to "other" changed a document that a search of the index "by_text" looked for',
    )
  })

  it('reads postings page by page, and no more than are wanted', async () => {
    await insert('same', 'same same', 'same other', 'other', 'same')
    await mutate(database, (tx) => tx.insert('notes', value({ text: 'same', channel: 'elsewhere' })))
    const entry = database.catalog.findTable('', 'notes')?.indexes.find(({ descriptor }) => descriptor === 'by_text')
    if (entry?.text === undefined) throw new Error('there is the index')
    const { index, text } = entry
    const snapshot = database.committer.snapshot(database.latestTs())
    for (const [group, count] of [
      [undefined, 5],
      [hashFilter('c'), 4],
    ] as const) {
      const prefix = postingsPrefix('same', group)
      const whole = await loadPostings(snapshot, index, text, prefix)
      expect(whole?.count).toBe(count)
      for (const pageKeys of [1, 2, count, count + 1]) {
        expect(await loadPostings(snapshot, index, text, prefix, count, pageKeys)).toEqual(whole)
        expect(await loadPostings(snapshot, index, text, prefix, count - 1, pageKeys)).toBeUndefined()
      }
    }
  })
})
