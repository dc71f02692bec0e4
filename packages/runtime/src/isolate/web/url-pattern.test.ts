import { beforeAll, describe, expect, test } from 'vitest'
import { TestContext } from '../testing/test-context.ts'

let context: TestContext
beforeAll(async () => {
  context = await TestContext.create()
})

/** Constructor arguments and inputs; Node's own class says what comes out. */
const patterns: readonly (readonly [args: readonly unknown[], inputs: readonly (readonly unknown[])[]])[] = [
  [[{ pathname: '/foo/bar' }], [[{ pathname: '/foo/bar' }], [{ pathname: '/foo/ba' }], ['https://a.example/foo/bar']]],
  [
    [{ pathname: '/books/:id' }],
    [['https://a.example/books/12'], ['https://a.example/books/'], [{ pathname: '/books/1/2' }]],
  ],
  [[{ pathname: '/:a/:b?' }], [[{ pathname: '/x' }], [{ pathname: '/x/y' }], [{ pathname: '/x/' }]]],
  [[{ pathname: '/:a+' }], [[{ pathname: '/x/y/z' }], [{ pathname: '/' }]]],
  [[{ pathname: '/:a*' }], [[{ pathname: '/x/y/z' }], [{ pathname: '/' }], [{ pathname: '' }]]],
  [[{ pathname: '/item-:id(\\d+)' }], [[{ pathname: '/item-12' }], [{ pathname: '/item-x' }]]],
  [[{ pathname: '/foo/*' }], [[{ pathname: '/foo/bar/baz' }], [{ pathname: '/foo' }], [{ pathname: '/foo/' }]]],
  [[{ pathname: '{/foo}?/bar' }], [[{ pathname: '/foo/bar' }], [{ pathname: '/bar' }]]],
  [[{ pathname: '/(a|b)/:rest(.*)' }], [[{ pathname: '/a/1/2' }], [{ pathname: '/c/1' }]]],
  [[{ pathname: '/a\\:b' }], [[{ pathname: '/a:b' }]]],
  [[{ pathname: '/café' }], [['https://a.example/caf%C3%A9'], [{ pathname: '/caf%c3%a9' }]]],
  [
    ['https://*.example.com/:kind/*?q=:q#h'],
    [['https://api.example.com/x/y?q=1#h'], ['https://example.com/x/y?q=1#h']],
  ],
  [
    ['https://example.com/books/:id'],
    [['https://example.com/books/1'], ['http://example.com/books/1'], ['https://example.com/books/1?x=1']],
  ],
  [['https://example.com:8080/*'], [['https://example.com:8080/a'], ['https://example.com/a']]],
  [['http{s}?://example.com/'], [['http://example.com/'], ['https://example.com/']]],
  [
    ['/books/:id', 'https://example.com/shop/'],
    [['https://example.com/books/1'], ['/books/1', 'https://example.com'], ['/books/1']],
  ],
  [['books/:id', 'https://example.com/shop/x'], [['https://example.com/shop/books/1']]],
  [
    [{ pathname: '/a', baseURL: 'https://example.com' }],
    [['https://example.com/a'], [{ pathname: '/a', baseURL: 'https://example.com' }]],
  ],
  [
    [{ hostname: '{:sub.}?example.com' }],
    [['https://a.example.com'], ['https://example.com/x'], ['https://xexample.com']],
  ],
  [[{ hostname: '*.EXAMPLE.com' }], [['https://A.example.com']]],
  [[{ protocol: 'http{s}?', port: '80' }], [['http://a.example:80/'], ['https://a.example:80/']]],
  [[{ search: 'a=:a&b=:b' }], [['https://a.example/?a=1&b=2'], ['https://a.example/?b=2']]],
  [[{ hash: ':part' }], [['https://a.example/#x'], ['https://a.example/']]],
  [[{ username: 'u', password: '*' }], [['https://u:p@a.example/'], ['https://a.example/']]],
  [[{ pathname: '/FOO' }, { ignoreCase: true }], [[{ pathname: '/foo' }]]],
  [[{ pathname: '/FOO' }], [[{ pathname: '/foo' }]]],
  [['data\\:text/:kind'], [['data:text/plain']]],
  [[{}], [['https://a.example/x?y#z'], [{}], []]],
  [[], [['https://a.example/'], [{ pathname: 'x' }]]],
]

/** Components of one pattern, and what it makes of each input. */
const probe = `(args, inputs) => {
  const attempt = (run) => { try { return run() } catch (e) { return e.name } }
  return attempt(() => {
    const pattern = new URLPattern(...args)
    const names = ['protocol', 'username', 'password', 'hostname', 'port', 'pathname', 'search', 'hash', 'hasRegExpGroups']
    return {
      components: names.map((name) => pattern[name]),
      results: inputs.map((input) => attempt(() => {
        const { inputs: given, ...parts } = pattern.exec(...input) ?? {}
        return [pattern.test(...input), given?.length, parts]
      })),
    }
  })
}`

/** Groups that took part in nothing are undefined; the order of keys says nothing. */
const normalized = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_key, item: unknown) => (item === undefined ? 'undefined' : item)))

describe('URLPattern', () => {
  test.each(patterns)('%j', async (args, inputs) => {
    const call = `(${probe})(...${JSON.stringify([args, inputs])})`
    // oxlint-disable-next-line no-eval -- the expression is what both run
    const expected: unknown = (0, eval)(call)
    const text = await context.run(`JSON.stringify(${call}, (_, item) => item === undefined ? 'undefined' : item)`)
    expect(JSON.parse(text as string)).toEqual(normalized(expected))
  })

  test.each([
    '["/relative"]',
    '["https://example.com/("]',
    '[{ pathname: "/:a/:a" }]',
    '[{ pathname: "(?x)" }]',
    '[{ pathname: "/:" }]',
    '[{ pathname: "/{a" }]',
    '[{ port: "x1" }]',
    '[{ hostname: "bad host" }]',
    '["https://example.com", "nowhere"]',
    '[{}, "https://example.com"]',
  ])('refuses %s', async (args) => {
    const call = `(() => { try { new URLPattern(...${args}) } catch (e) { return e instanceof TypeError } })()`
    // oxlint-disable-next-line no-eval -- the expression is what both run
    expect((0, eval)(call)).toBe(true)
    expect(await context.run(call)).toBe(true)
  })

  // Node takes it for a path.
  test('what is no URL matches nothing', async () => {
    expect(await context.run('[new URLPattern().test("not a url"), new URLPattern().exec("/x")]')).toEqual([
      false,
      null,
    ])
  })
})
