import { describe, expect, test } from 'vitest'
import { type Settled, TestContext } from './testing/test-context.ts'

const convexModule = `
  import { queryGeneric as query, mutationGeneric as mutation, httpRouter, httpActionGeneric as httpAction, cronJobs, makeFunctionReference } from 'convex/server'
  import { ConvexError, v } from 'convex/values'

  export const one = query({ args: {}, returns: v.number(), handler: async () => 1 })
  export const getAll = query({ args: { channel: v.string() }, handler: async (ctx, { channel }) =>
    (await ctx.db.query('messages').withIndex('by_channel', (q) => q.eq('channel', channel)).collect()).map((m) => m.body) })
  export const send = mutation({ args: { body: v.string() }, handler: async (ctx, { body }) => {
    const id = await ctx.db.insert('messages', { body, at: Date.now(), n: 1n, raw: new Uint8Array([1, 2]).buffer })
    await ctx.db.patch(id, { body: undefined })
    return id
  } })
  export const refuse = query({ args: {}, handler: async () => { throw new ConvexError({ code: 'no', n: 1n }) } })
  export const nested = mutation({ args: {}, handler: async (ctx) => {
    try { await ctx.runMutation(makeFunctionReference('other:fn'), {}) } catch (e) { return [e instanceof ConvexError, e.data] }
  } })
  export const direct = query({ args: {}, handler: async (ctx) => await one(ctx, {}) })
`

function answer(operation: string, argsText: string): string {
  const args = JSON.parse(argsText) as Record<string, unknown>
  if (operation === '1.0/queryStream') return '0{"queryId":7}'
  if (operation === '1.0/queryStreamNext') {
    rowsLeft -= 1
    return rowsLeft >= 0
      ? `0{"value":{"_id":"m${rowsLeft}","_creationTime":1,"body":"text ${rowsLeft}"},"done":false}`
      : '0{"value":null,"done":true}'
  }
  if (operation === '1.0/queryCleanup') return '0{}'
  if (operation === '1.0/insert') return `0${JSON.stringify({ _id: `id:${String(args['table'])}` })}`
  if (operation === '1.0/shallowMerge') return '0{"_id":"x","_creationTime":1}'
  if (operation === '1.0/runUdf') return '1{"message":"inner","data":{"$integer":"AQAAAAAAAAA="}}'
  return '0null'
}
let rowsLeft = 0

function invoke(
  context: TestContext,
  name: string,
  udfType: 'query' | 'mutation' = 'query',
  args: unknown = {},
): Settled {
  rowsLeft = 2
  return context.invoke(name, { udfType, args })
}

describe.each([['fresh'], ['frozen']])('the real server library in a %s context', (kind) => {
  const open = async (source: string): Promise<TestContext> => {
    const context = await TestContext.create()
    context.host = answer
    await context.loadBundled(source)
    context.endCall()
    if (kind === 'frozen') expect(context.freeze()).toBeUndefined()
    return context
  }

  test('runs queries and mutations, again and again', async () => {
    const context = await open(convexModule)
    for (let i = 0; i < 3; i++) {
      expect(invoke(context, 'one').settled).toEqual([true, '1'])
      expect(invoke(context, 'getAll', 'query', { channel: 'a' }).settled).toEqual([true, '["text 1","text 0"]'])
      expect(invoke(context, 'send', 'mutation', { body: 'hi' }).settled).toEqual([true, '"id:messages"'])
      expect(invoke(context, 'nested', 'mutation').settled).toEqual([true, '[true,{"$integer":"AQAAAAAAAAA="}]'])
    }
  })

  test('reports ConvexErrors with their data as text', async () => {
    const context = await open(convexModule)
    const { settled, end } = invoke(context, 'refuse')
    const error = JSON.parse(settled?.[1] ?? '') as Record<string, unknown>
    expect(error).toMatchObject({
      name: 'ConvexError',
      data: '{"code":"no","n":{"$integer":"AQAAAAAAAAA="}}',
      frozenWrite: false,
    })
    expect(error['message']).toMatch(/^Uncaught ConvexError: /)
    expect(end.frozenWrite).toBe(false)
  })

  test('warns about direct calls', async () => {
    const context = await open(convexModule)
    const { settled, end } = invoke(context, 'direct')
    expect(settled).toEqual([true, '1'])
    expect(end.logLines[0]?.level).toBe('WARN')
    expect(end.logLines[0]?.messages[0]).toMatch(/^'Convex functions should not directly call other Convex functions/)
  })

  test('zod loads and validates, or its cache of a schema is noticed as a write', async () => {
    const context = await open(`
      import { z } from 'zod'
      import { queryGeneric as query } from 'convex/server'
      const user = z.object({ name: z.string().min(2), email: z.email(), age: z.number().int().optional(), tags: z.array(z.enum(['a', 'b'])).default([]) })
      export const good = query(async () => user.safeParse({ name: 'ann', email: 'ann@example.com', tags: ['a'] }).data)
      export const bad = query(async () => user.safeParse({ name: 'a', email: 'x', age: 1.5 }).error.issues.map((i) => i.path.join('.') + ':' + i.code))
      export const late = query(async () => z.object({ a: z.union([z.string(), z.coerce.number()]) }).strict().parse({ a: 5 }))
      export const regex = query(async () => z.string().regex(/a/g).safeParse('a').success)
      export const loose = query(async () => z.object({ a: z.string() }).parse({ a: 1 }))
    `)
    const expected = {
      good: '{"email":"ann@example.com","name":"ann","tags":["a"]}',
      bad: '["name:too_small","email:invalid_format","age:invalid_type"]',
      late: '{"a":5}',
      regex: 'true',
    }
    const results: Record<string, string> = {}
    for (let i = 0; i < 2; i++) {
      for (const name of Object.keys(expected)) {
        const { settled, end } = invoke(context, name)
        const wroteFrozen = settled?.[0] === false && (JSON.parse(settled[1]) as { frozenWrite: boolean }).frozenWrite
        results[name] = wroteFrozen || end.frozenWrite ? 'frozen write' : (settled?.[1] ?? '')
      }
      const failed = invoke(context, 'loose')
      expect(JSON.parse(failed.settled?.[1] ?? '')).toMatchObject({ name: 'ZodError', frozenWrite: false })
    }
    // zod 4 stores the parser it picked on a schema when it parses with it for the first time.
    expect(results).toEqual(kind === 'frozen' ? { ...expected, good: 'frozen write' } : expected)
  })
})

describe('analysis', () => {
  const load = async (source: string): Promise<TestContext> => {
    const context = await TestContext.create()
    await context.loadBundled(source)
    return context
  }

  test('lists functions with validators', async () => {
    const context = await load(`
      import { queryGeneric as query, internalMutationGeneric as internalMutation, actionGeneric as action, httpActionGeneric as httpAction } from 'convex/server'
      import { v } from 'convex/values'
      export const list = query({ args: { n: v.number() }, returns: v.null(), handler: async () => null })
      export default internalMutation(async () => null)
      export const act = action({ args: {}, handler: async () => null })
      export const http = httpAction(async () => new Response('x'))
      export const [plain, helper] = [1, () => 2]
      export const both = Object.assign(() => {}, { isQuery: true, isMutation: true, isPublic: true })
      export const unseen = Object.assign(() => {}, { isQuery: true })
      export const experimental_reuseContext = true
    `)
    const handler = 'async () => null'
    expect(context.analyze('analyze')).toEqual({
      functions: [
        {
          name: 'act',
          handler,
          udfType: 'Action',
          visibility: { kind: 'public' },
          args: '{"type":"object","value":{}}',
          returns: 'null',
        },
        {
          name: 'default',
          handler,
          udfType: 'Mutation',
          visibility: { kind: 'internal' },
          args: '{"type":"any"}',
          returns: 'null',
        },
        {
          name: 'list',
          handler,
          udfType: 'Query',
          visibility: { kind: 'public' },
          args: '{"type":"object","value":{"n":{"fieldType":{"type":"number"},"optional":false}}}',
          returns: '{"type":"null"}',
        },
      ],
      reuseContext: true,
    })
  })

  test('words validator mistakes', async () => {
    const broken = (value: string): Promise<TestContext> =>
      load(`export const f = Object.assign(() => {}, { isQuery: true, isPublic: true, exportArgs: () => ${value} })`)
    expect(() => undefined).not.toThrow()
    const notText = await broken('1')
    expect(() => notText.analyze('analyze')).toThrow(
      "Invalid exportArgs return value: app.js:f.exportArgs() didn't return a string.",
    )
    const notJson = await broken('"{"')
    expect(() => notJson.analyze('analyze')).toThrow('Invalid JSON returned from app.js:f.exportArgs(): ')
    const circular = await load(`
      import { queryGeneric as query } from 'convex/server'
      export const f = query({ args: { a: undefined }, handler: async () => null })
    `)
    expect(() => circular.analyze('analyze')).toThrow(/undefined/)
  })

  test('routes come exact first', async () => {
    const context = await load(`
      import { httpRouter, httpActionGeneric as httpAction } from 'convex/server'
      const http = httpRouter()
      const handler = httpAction(async () => new Response('x'))
      http.route({ pathPrefix: '/files/', method: 'GET', handler })
      http.route({ path: '/hook', method: 'POST', handler })
      export default http
    `)
    expect(context.analyze('routes')).toEqual([
      { path: '/hook', method: 'POST' },
      { path: '/files/*', method: 'GET' },
    ])
    const wrong = await load('export default {}')
    expect(() => wrong.analyze('routes')).toThrow('The default export of `convex/http.js` is not a Router.')
    const missing = await load('export const a = 1')
    expect(() => missing.analyze('routes')).toThrow('`convex/http.js` must have a default export of a Router.')
  })

  test('crons, schema, definition and auth config come as the library exports them', async () => {
    const crons = await load(`
      import { cronJobs, makeFunctionReference } from 'convex/server'
      const jobs = cronJobs()
      jobs.interval('clean', { minutes: 5 }, makeFunctionReference('jobs:clean'), { deep: true })
      export default jobs
    `)
    expect(crons.analyze('crons')).toEqual({
      clean: { name: 'jobs:clean', args: [{ deep: true }], schedule: { type: 'interval', minutes: 5 } },
    })
    const schema = await load(`
      import { defineSchema, defineTable } from 'convex/server'
      import { v } from 'convex/values'
      export default defineSchema({ messages: defineTable({ body: v.string() }).index('by_body', ['body']) })
    `)
    expect(schema.analyze('schema')).toMatchObject({
      schemaValidation: true,
      tables: [{ tableName: 'messages', indexes: [{ indexDescriptor: 'by_body', fields: ['body'] }] }],
    })
    const app = await load(`
      import { defineApp } from 'convex/server'
      export default defineApp()
    `)
    expect(app.analyze('definition')).toMatchObject({ definitionType: { type: 'app' }, childComponents: [] })
    const auth = await load(
      'export default { providers: [{ domain: process.env.ISSUER ?? "none", applicationID: "app" }] }',
    )
    expect(auth.analyze('authConfig')).toEqual({ providers: [{ domain: 'none', applicationID: 'app' }] })
    const empty = await load('export const a = 1')
    expect(() => empty.analyze('schema')).toThrow('Schema file missing default export.')
    const other = await load('export default {}')
    expect(() => other.analyze('schema')).toThrow("Default export from schema file isn't a Convex schema.")
    expect(() => other.analyze('crons')).toThrow('The default export of `convex/crons.js` is not a Crons object.')
  })
})
