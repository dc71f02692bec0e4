// Text search in a pushed app: transactional, live, filtered, paginated; indexes over documents that were there before.
import { startTestServer, type TestServer, waitFor } from '@concave/testing'
import { ConvexClient } from 'convex/browser'
import { makeFunctionReference } from 'convex/server'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { mutation, post, query } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

let server: TestServer
let dev: PushedApp
beforeAll(async () => {
  server = await startTestServer()
  dev = await pushApp(server, { folder: fixtureFolder('search') })
})
afterAll(async () => {
  await dev[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

async function send(...messages: readonly object[]): Promise<readonly string[]> {
  return (await mutation(dev.url, 'messages:send', { messages })) as readonly string[]
}

describe('withSearchIndex', () => {
  it('finds words and beginnings of the last word, best first, within filters', async () => {
    await send(
      { body: 'The quick brown fox', channel: 'animals', author: 'ann' },
      { body: 'A fox, another fox, and foxes', channel: 'animals' },
      { body: 'Brown bread', channel: 'food', author: 'ann' },
      { body: 'nothing of the sort', channel: 'food' },
    )
    expect(await query(dev.url, 'messages:search', { text: 'fox' })).toEqual([
      'A fox, another fox, and foxes',
      'The quick brown fox',
    ])
    expect(await query(dev.url, 'messages:search', { text: 'bro' })).toEqual(['Brown bread', 'The quick brown fox'])
    expect(await query(dev.url, 'messages:search', { text: 'bro fox' })).toEqual([
      'A fox, another fox, and foxes',
      'The quick brown fox',
    ])
    expect(await query(dev.url, 'messages:search', { text: 'BROWN', channel: 'food' })).toEqual(['Brown bread'])
    expect(await query(dev.url, 'messages:search', { text: 'brown', channel: 'animals', author: 'ann' })).toEqual([
      'The quick brown fox',
    ])
    expect(await query(dev.url, 'messages:search', { text: 'fox brown', limit: 1 })).toHaveLength(1)
    expect(await query(dev.url, 'messages:search', { text: ' …! ' })).toEqual([])
  })

  it('sees what the same mutation has written', async () => {
    const [id] = await send({ body: 'an old zebra', channel: 'own' })
    const body = 'a new giraffe'
    expect(await mutation(dev.url, 'messages:writeAndSearch', { id, body, text: 'zebra giraffe' })).toEqual({
      before: ['an old zebra'],
      after: ['a new giraffe', 'a new giraffe again'],
    })
    expect(await query(dev.url, 'messages:search', { text: 'zebra' })).toEqual([])
  })

  // oxlint-disable-next-line vitest/expect-expect -- waiting for a result expects it
  it('keeps live results right', async () => {
    const client = new ConvexClient(dev.url, { logger: false })
    let seen: unknown
    const search = makeFunctionReference<'query'>('messages:search')
    client.onUpdate(search, { text: 'live penguin', channel: 'birds' }, (value) => (seen = value))
    const waitUntilSeen = async (expected: readonly string[]) =>
      await waitFor(`the results ${expected.join()}`, () =>
        JSON.stringify(seen) === JSON.stringify(expected) ? true : undefined,
      )
    try {
      await waitUntilSeen([])
      const [id] = await send({ body: 'a penguin', channel: 'birds' })
      await waitUntilSeen(['a penguin'])
      await send({ body: 'a penguin elsewhere', channel: 'zoo' }, { body: 'penguins live', channel: 'birds' })
      await waitUntilSeen(['penguins live', 'a penguin'])
      await mutation(dev.url, 'messages:edit', { id, body: 'no bird' })
      await waitUntilSeen(['penguins live'])
      await mutation(dev.url, 'messages:edit', { id, body: 'Live!' })
      await waitUntilSeen(['penguins live', 'Live!'])
      await mutation(dev.url, 'messages:remove', { id })
      await waitUntilSeen(['penguins live'])
    } finally {
      await client.close()
    }
  })

  it('paginates', async () => {
    await send(...Array.from({ length: 7 }, (_, number) => ({ body: `paged ${number}`, channel: 'pages' })))
    const pages: unknown[] = []
    let cursor: string | null = null
    for (;;) {
      const answer = (await query(dev.url, 'messages:page', {
        text: 'paged',
        paginationOpts: { numItems: 3, cursor },
      })) as { page: unknown[]; isDone: boolean; continueCursor: string }
      pages.push(...answer.page)
      cursor = answer.continueCursor
      if (answer.isDone) break
    }
    expect(pages).toEqual([6, 5, 4, 3, 2, 1, 0].map((number) => `paged ${number}`))
  })

  it('says what is wrong with a search', async () => {
    const failed = await post(dev.url, '/api/query', { path: 'messages:searchByWrongField', args: {} })
    expect(failed.body.errorMessage).toContain(
      'Search query against messages.search_body contains a search filter against "author", which doesn\'t match the indexed `searchField` "body".',
    )
  })
})

describe('a push', () => {
  it('fills search and vector indexes from documents that are there, and names them', async () => {
    await send({ body: 'before the index', channel: 'late' })
    const schema = await dev.app.read('convex/schema.ts')
    await dev.app.write({
      'convex/schema.ts': schema
        .replace(
          ".index('by_channel', ['channel'])",
          ".index('by_channel', ['channel'])\n    .searchIndex('search_author', { searchField: 'author' })" +
            "\n    .searchIndex('later', { searchField: 'channel', staged: true })" +
            "\n    .vectorIndex('by_meaning', { vectorField: 'meaning', dimensions: 3, filterFields: ['channel'] })",
        )
        .replace('body: v.string(),', 'body: v.string(), meaning: v.optional(v.array(v.float64())),'),
      'convex/authors.ts': `import { query } from './_generated/server'
export const search = query({
  args: {},
  handler: async (ctx) =>
    (await ctx.db.query('messages').withSearchIndex('search_author', (q) => q.search('author', 'an')).collect()).length,
})
export const searchStaged = query({
  args: {},
  // @ts-ignore staged indexes are not in the types
  handler: async (ctx) => await ctx.db.query('messages').withSearchIndex('later', (q) => q.search('channel', 'a')).collect(),
})
`,
    })
    const done = await dev.cli.succeed('dev', '--once', '--typecheck', 'disable')
    expect(done.stderr).toMatch(/\[\+\] messages\.search_author/)
    expect(done.stderr).toMatch(/\[\+\] messages\.by_meaning/)
    expect(await query(dev.url, 'authors:search')).toBe(2)
    const staged = await post(dev.url, '/api/query', { path: 'authors:searchStaged', args: {} })
    expect(staged.body.errorMessage).toContain(
      'Index messages.later is currently staged and not available to query until it is enabled.',
    )
    await dev.app.write({ 'convex/schema.ts': schema })
    await dev.app.remove('convex/authors.ts')
    const dropped = await dev.cli.succeed('dev', '--once', '--typecheck', 'disable')
    expect(dropped.stderr).toMatch(/\[-\] messages\.search_author/)
  })
})

describe('ctx.vectorSearch', () => {
  const nearest = async (args: object): Promise<readonly (readonly [string, number])[]> => {
    const response = await fetch(`${dev.url}/api/action`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ path: 'places:nearest', args, format: 'json' }),
    })
    const answer = (await response.json()) as { value: readonly (readonly [string, number])[]; errorMessage?: string }
    if (answer.errorMessage !== undefined) throw new Error(answer.errorMessage)
    return answer.value
  }

  it('finds the nearest vectors, best first, within filters', async () => {
    for (const [name, country, at] of [
      ['east', 'a', [1, 0]],
      ['north', 'a', [0, 1]],
      ['north-east', 'b', [1, 1]],
      ['west', 'c', [-1, 0]],
    ]) {
      await mutation(dev.url, 'places:add', { name, country, at } as object)
    }
    const all = await nearest({ at: [2, 0.1] })
    expect(all.map(([name]) => name)).toEqual(['east', 'north-east', 'north', 'west'])
    expect(all[0]?.[1]).toBeCloseTo(0.99875, 4)
    expect((await nearest({ at: [0, 5], countries: ['b', 'c'] })).map(([name]) => name)).toEqual(['north-east', 'west'])
    expect((await nearest({ at: [0, 5], limit: 1 })).map(([name]) => name)).toEqual(['north'])
  })

  it('refuses a vector of another length', async () => {
    await expect(nearest({ at: [1, 2, 3] })).rejects.toThrow(/dimension/i)
  })
})
