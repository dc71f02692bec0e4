/** Our web interfaces against those of Node: the same expression must give the same JSON in both. */
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { TestContext } from '../testing/test-context.ts'

let context: TestContext
beforeAll(async () => {
  context = await TestContext.create()
})

/** Runs the expression here. Errors become their names: texts are each engine's own. */
const guarded = (expression: string): string =>
  `(() => { try { return ${expression} } catch (e) { return 'threw ' + e.name } })()`
const here = (expression: string): unknown => {
  // eslint-disable-next-line no-eval
  const value: unknown = (0, eval)(guarded(expression))
  return JSON.parse(JSON.stringify({ value })).value as unknown
}
const there = (expression: string): unknown => context.evaluate(guarded(expression))

const urlParts =
  '[u.href, u.origin, u.protocol, u.username, u.password, u.host, u.hostname, u.port, u.pathname, u.search, u.hash]'
const urlExpression = (input: string, base?: string): string =>
  `((u) => ${urlParts})(new URL(${JSON.stringify(input)}${base === undefined ? '' : `, ${JSON.stringify(base)}`}))`

const urls = [
  'https://user:pa ss@Example.COM:8080/a/../b/./c%20d?x=1&y=ä#fräg',
  'http://example.com',
  'http://example.com:80/',
  'https://example.com:443',
  'ws://h:80/x',
  'ftp://h:21/',
  'http:example.com',
  'http:/example.com',
  'http:///example.com',
  'http://ex ample.com',
  'http://a<b',
  'http://a%41',
  'http://a%00',
  'http://',
  'http://:80',
  'http://a:99999',
  'http://a:b',
  'http://a:',
  '//x',
  'foo',
  '',
  'mailto:a@b.c?subject=x#y',
  'data:text/plain,hello world#a b',
  'javascript:alert(1)',
  'blob:https://a.com/uuid',
  'blob:x',
  'about:blank',
  'urn:isbn:1',
  'foo://bar',
  'foo://bar/baz?q#f',
  'foo:/a/../b',
  'foo:a/../b',
  'foo:///p',
  'foo://h:80/..',
  'non-special://a b',
  'foo://[::1]/',
  'foo:/.//p',
  'web+demo:/.//not-a-host/',
  'http://1.2.3.4',
  'http://0x7f.1',
  'http://0300.1',
  'http://256',
  'http://1.2.3.256',
  'http://4294967296',
  'http://1.2.3.4.5',
  'http://0x',
  'http://1.2.3.08',
  'http://a.1.',
  'http://1..2',
  'http://[::1]:3000/',
  'http://[2001:DB8:0:0:1:0:0:1]/',
  'http://[1:2:3:4:5:6:7:8]',
  'http://[::ffff:1.2.3.4]',
  'http://[1::2::3]',
  'http://[g::1]',
  'http://[::1',
  'http://[1:2:3:4:5:6:7::]',
  'http://[::1.2.3]',
  'http://[1:0:0:2::]',
  'file:///C:/x/../y',
  'file:c:\\\\dir\\\\file',
  'file://localhost/a',
  'file://host/a',
  'file:',
  'file:/a',
  'file:///C|/a/..',
  'file://C:/x',
  'http://a/%2e%2E/b/%2e',
  'http://a\\\\b\\\\c',
  'http://a/b?c?d#e#f',
  'http://a/\\u0000',
  '  http://a/  ',
  'http://a/\\tb\\nc',
  'http://a?q',
  'http://a#f',
  'http://@a',
  'http://a@b@c/',
  'http://u@/x',
  'http://:p@h',
  'https://ドメイン.テスト/パス',
  'https://faß.de',
  'https://Bücher.example',
  'https://xn--bcher-kva.example',
  'https://a。b',
  'https://ＧＯ.com',
  'https://mañana.com',
  'https://☃.net',
  'https://日本.jp:8080',
  "http://h/a'b?c'd",
  'http://h/{}|^`<>"?{}|^`<>"#{}|^`<>"',
  'foo://h/?a\'b"',
  'https://h/%zz%4',
  'http://h/a;b=c,d',
  'http://h//a//',
  'http://h/..',
  'http://h/a/..',
  'http://h/a/.',
  'h://.',
  'http://./',
  'http://../',
]
const bases = ['https://u:p@h.com:1/a/b/c?q#f', 'file:///C:/d/e', 'foo://h/a/b', 'mailto:x', 'foo:/a']
const relatives = [
  '',
  '#x',
  '?y',
  'z',
  '../z',
  '../../../../z',
  '/z',
  '//z',
  '//z/w',
  './',
  '..',
  'http:z',
  'https:z',
  'file:z',
  'C|/x',
  '/C:/x',
  'a:b',
  '\\\\x',
  ';p',
  'a b',
  '?',
  '#',
  '/..//x',
  'foo:/x',
]

describe('URL', () => {
  test('parses like Node', () => {
    for (const url of urls) {
      const expression = urlExpression(url)
      expect([expression, there(expression)]).toEqual([expression, here(expression)])
    }
  })

  test('resolves against bases like Node', () => {
    for (const base of bases) {
      for (const relative of relatives) {
        const expression = urlExpression(relative, base)
        expect([expression, there(expression)]).toEqual([expression, here(expression)])
      }
    }
  })

  test('setters behave like Node', () => {
    const values: Record<string, string[]> = {
      href: ['http://new/', 'bad'],
      protocol: ['http', 'https:x', 'foo', '1', 'file', 'wss:'],
      username: ['a:b', '', 'ü'],
      password: ['p@', ''],
      host: ['x:90', 'x:bad', 'x:', '', '[::1]:5', 'a b', 'h/p?q', '1.2'],
      hostname: ['y', 'y:1', '', '[::2]', 'a@b', '0x10'],
      port: ['99', '70000', '', '8a', 'x', '443', '  7'],
      pathname: ['p', '/a/../b', '', '?q#f', 'a b', '\\\\x'],
      search: ['a=b', '?c', '', '?', 'ä#', "'"],
      hash: ['x', '#y', '', '#', 'a b`'],
    }
    for (const start of ['https://u:p@h.com:1/a?q#f', 'foo://h:1/a', 'mailto:x?y', 'file:///a', 'http://h/']) {
      for (const [name, list] of Object.entries(values)) {
        for (const value of list) {
          const expression = `((u) => { u.${name} = ${JSON.stringify(value)}; return [u.href, ...u.searchParams] })(new URL(${JSON.stringify(start)}))`
          expect([expression, there(expression)]).toEqual([expression, here(expression)])
        }
      }
    }
  })

  test('random texts parse like in Node', () => {
    const piece = fc.constantFrom(
      'http:',
      'foo:',
      'file:',
      '/',
      '//',
      '\\\\',
      '?',
      '#',
      '@',
      ':',
      '.',
      '..',
      '%2e',
      'a',
      'B',
      '1',
      '0x1',
      '[::1]',
      ' ',
      '%',
      'é',
      '|',
      'C:',
      '<',
      '\t',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 9 }), fc.option(fc.constantFrom(...bases)), (pieces, base) => {
        const expression = urlExpression(pieces.join(''), base ?? undefined)
        expect([expression, there(expression)]).toEqual([expression, here(expression)])
      }),
      { numRuns: 1500, seed: 7 },
    )
  })

  test.each([
    'URL.canParse("a", "http://b")',
    'URL.canParse("a")',
    'URL.parse("x:y").href',
    'URL.parse("nope")',
    'JSON.stringify(new URL("http://a"))',
    'String(new URL("http://a/b"))',
    'new URL()',
    'URL("http://a")',
    'Object.prototype.toString.call(new URL("http://a"))',
    '((u) => { u.searchParams.append("a", "b c"); u.searchParams.delete("q"); return u.href })(new URL("http://h/?q=1"))',
    '((u) => { u.searchParams.delete("q"); return u.href })(new URL("http://h/?q=1#f"))',
  ])('%s', (expression) => {
    expect(there(expression)).toEqual(here(expression))
  })
})

describe('URLSearchParams', () => {
  test.each([
    '[...new URLSearchParams("?a=1&b=%20+&c&=d&a=2&%zz&é=ü")]',
    'String(new URLSearchParams({ a: "x y", b: "é&=*-._~\'" }))',
    'String(new URLSearchParams([["a", 1], ["b", null]]))',
    'new URLSearchParams([["a"]])',
    '((p) => [p.get("a"), p.getAll("a"), p.get("x"), p.has("a"), p.has("a", "2"), p.has("a", "9"), p.size])(new URLSearchParams("a=1&a=2"))',
    '((p) => { p.set("a", 5); p.append("b", "c"); p.delete("z"); p.sort(); return String(p) })(new URLSearchParams("z=1&a=1&a=2&b=0"))',
    '((p) => { p.delete("a", "1"); return String(p) })(new URLSearchParams("a=1&a=2"))',
    '[...new URLSearchParams("a=1&b=2").keys()].concat([...new URLSearchParams("a=1").values()])',
    '((out) => { new URLSearchParams("a=1&b=2").forEach((v, n) => out.push(n, v)); return out })([])',
    'String(new URLSearchParams(new URLSearchParams("a=1")))',
    'String(new URLSearchParams("\\ud800=\\udc00"))',
    'String(new URLSearchParams("a=%ff%fe"))',
    'String(new URLSearchParams("%EF%BB%BFa=1"))',
    'String(new URLSearchParams(undefined)) + String(new URLSearchParams(null))',
  ])('%s', (expression) => {
    expect(there(expression)).toEqual(here(expression))
  })
})

describe('text and bytes', () => {
  test('UTF-8 decoding is that of Node for any bytes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 12 }),
        fc.array(fc.constantFrom(0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80, 0xc3, 0xed, 0xa0, 0xef, 0xbb, 0xbf, 0x41), {
          maxLength: 8,
        }),
        (any, likely) => {
          for (const bytes of [[...any], likely]) {
            for (const options of ['', "'utf-8', { fatal: true }"]) {
              const expression = `new TextDecoder(${options}).decode(new Uint8Array(${JSON.stringify(bytes)}))`
              expect([expression, there(expression)]).toEqual([expression, here(expression)])
            }
          }
        },
      ),
      { numRuns: 300, seed: 3 },
    )
  })

  test('streaming gives what one piece gives', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80, 0xef, 0xbb, 0xbf, 0x41), { maxLength: 10 }),
        fc.nat(10),
        (bytes, at) => {
          const split = `((d) => d.decode(new Uint8Array(${JSON.stringify(bytes.slice(0, at))}), { stream: true }) + d.decode(new Uint8Array(${JSON.stringify(bytes.slice(at))})))(new TextDecoder())`
          expect([split, there(split)]).toEqual([split, here(split)])
        },
      ),
      { numRuns: 200, seed: 5 },
    )
  })

  test.each([
    '[...new TextEncoder().encode("aé€😀\\ud800x\\udc00")]',
    '((b) => [new TextEncoder().encodeInto("é€😀", b), ...b])(new Uint8Array(6))',
    'new TextEncoder().encode().length',
    'new TextDecoder("latin1").decode(new Uint8Array([0x80, 0xe9, 0x41]))',
    'new TextDecoder("utf-16le").decode(new Uint8Array([0x3d, 0xd8, 0x00, 0xde, 0x41, 0, 0x00, 0xd8]))',
    'new TextDecoder("nope")',
    'new TextDecoder("UTF8 ").encoding',
    'new TextDecoder("ascii").encoding',
    'new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x41])).length',
    'new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x41])).length',
    'new TextDecoder().decode(new DataView(new Uint8Array([65, 66, 67]).buffer, 1, 1))',
    'new TextDecoder().decode("x")',
    'new TextDecoder().decode()',
    'btoa("aé\\u00ff")',
    'btoa("€")',
    'btoa("") + btoa("a") + btoa("ab") + btoa("abc")',
    'atob(" YQ= =\\n")',
    'atob("YQ")',
    'atob("Y")',
    'atob("YQ===")',
    'atob("Y!==")',
    'atob("/+8=")',
    'atob("YR==")',
  ])('%s', (expression) => {
    expect(there(expression)).toEqual(here(expression))
  })
})

describe('events and aborting', () => {
  test.each([
    '((out) => { const t = new EventTarget(); const f = (e) => out.push(e.type, e.target === t); t.addEventListener("a", f); t.addEventListener("a", f); t.addEventListener("a", { handleEvent() { out.push("object") } }, { once: true }); t.dispatchEvent(new Event("a")); t.dispatchEvent(new Event("a")); t.removeEventListener("a", f); t.dispatchEvent(new Event("a")); return out })([])',
    '((t) => { t.addEventListener("a", (e) => e.preventDefault()); return [t.dispatchEvent(new Event("a", { cancelable: true })), t.dispatchEvent(new Event("a"))] })(new EventTarget())',
    '((out) => { const t = new EventTarget(); t.addEventListener("a", (e) => { out.push(1); e.stopImmediatePropagation() }); t.addEventListener("a", () => out.push(2)); t.dispatchEvent(new Event("a")); return out })([])',
    'new Event()',
    'new EventTarget().dispatchEvent({})',
    '[Event.AT_TARGET, new Event("x").eventPhase, new Event("x", { bubbles: true }).bubbles]',
    '((c, out) => { c.signal.addEventListener("abort", (e) => out.push(e.type, c.signal.reason.name)); c.signal.onabort = () => out.push("on"); c.abort(); c.abort(); out.push(c.signal.aborted); return out })(new AbortController(), [])',
    '(() => { const c = new AbortController(); c.abort("why"); try { c.signal.throwIfAborted() } catch (e) { return e } })()',
    'AbortSignal.abort().reason.name',
    '((c) => { const any = AbortSignal.any([c.signal, new AbortController().signal]); c.abort(3); return [any.aborted, any.reason] })(new AbortController())',
    'new AbortSignal()',
    '((e) => [e.name, e.message, e.code, e instanceof Error, DOMException.ABORT_ERR, Object.prototype.toString.call(e)])(new DOMException("m", "AbortError"))',
    '((e) => [e.name, e.message, e.code])(new DOMException())',
    'new DOMException("m", { name: "N", cause: 1 }).cause',
  ])('%s', (expression) => {
    expect(there(expression)).toEqual(here(expression))
  })
})

describe('structuredClone', () => {
  test.each([
    'structuredClone({ a: [1, undefined, null, { b: "c" }], d: 1n.toString() })',
    '((o) => { o.self = o; const c = structuredClone(o); return [c.self === c, c !== o] })({})',
    '[...structuredClone(new Map([[{ k: 1 }, new Set([2])]]))].map(([k, v]) => [k, [...v]])',
    'structuredClone(new Date(5)).getTime()',
    '((r) => [r.source, r.flags, r.lastIndex])(structuredClone(/a/gi))',
    '((e) => [e.name, e.message, e.cause, e instanceof TypeError])(structuredClone(new TypeError("m", { cause: 1 })))',
    '[...structuredClone(new Uint16Array([1, 2]).subarray(1))]',
    'structuredClone(() => 1)',
    'structuredClone(Symbol())',
    'structuredClone(new WeakMap())',
    'structuredClone(Promise.resolve())',
    '((c) => [Object.getPrototypeOf(c) === Object.prototype, c.x])(structuredClone(new (class { x = 1; get y() { return 2 } })()))',
    '((b) => { const c = structuredClone([b, new Uint8Array(b)]); return c[1].buffer === c[0] })(new ArrayBuffer(2))',
    '((a) => [a.length, 1 in a])(structuredClone([1, , 3]))',
    'typeof structuredClone(Object("s"))',
    'structuredClone({ a: 1, [Symbol("x")]: 2 })',
  ])('%s', (expression) => {
    expect(there(expression)).toEqual(here(expression))
  })
})

describe('headers, bodies, forms', () => {
  test.each([
    '[...new Headers({ B: "2", a: " 1 ", "set-cookie": "x" })]',
    '((h) => { h.append("A", "2"); h.append("Set-Cookie", "y"); h.append("set-cookie", "z"); return [...h, h.get("a"), h.getSetCookie(), h.has("A")] })(new Headers([["a", "1"]]))',
    'new Headers({ "a b": "1" })',
    'new Headers({ a: "\\u0100" })',
    'new Headers([["a"]])',
    'new Headers(new Headers({ x: "1" })).get("X")',
    '((h) => { h.set("a", "3"); h.delete("b"); return [...h] })(new Headers({ a: "1", b: "2" }))',
    'new Headers({ a: "x\\ny" })',
    '[...new Headers({ b: 1, a: 2 }).keys()]',
    '((r) => [r.status, r.ok, r.statusText, r.type, [...r.headers]])(new Response("x", { status: 201, statusText: "Made", headers: { a: "b" } }))',
    'new Response("", { status: 99 })',
    'new Response("x", { status: 204 })',
    'new Response(null, { status: 204 }).body',
    '((r) => [r.status, r.headers.get("content-type")])(Response.json({ a: 1 }, { status: 400 }))',
    '((r) => [r.status, r.headers.get("location")])(Response.redirect("http://a/b", 301))',
    '((r) => [r.status, r.type])(Response.error())',
    '[...new Response(new URLSearchParams("a=1")).headers]',
    '[...new Response(new Blob(["x"], { type: "text/x" })).headers]',
    '((r) => [r.url, r.method, [...r.headers], r.redirect, r.bodyUsed])(new Request("http://a/b?c", { method: "post", body: "x", headers: { q: "1" } }))',
    'new Request("http://a", { body: "x" })',
    'new Request("/rel")',
    '((r) => new Request(r, { headers: { z: "1" } }).headers.get("z"))(new Request("http://a"))',
    'new Request("http://a", { method: "patch" }).method',
    'new Request("http://a", { method: "a b" })',
    '((f) => { f.append("a", "1"); f.append("a", "2"); f.set("b", 3); return [[...f], f.get("a"), f.getAll("a"), f.has("b"), f.get("x")] })(new FormData())',
    '((f) => { f.append("x", new Blob(["abc"], { type: "t/p" }), "n.txt"); const v = f.get("x"); return [v instanceof File, v.name, v.size, v.type] })(new FormData())',
    '((b) => [b.size, b.type, b.slice(1, 3).size, b.slice(-1).size])(new Blob(["aé", new Uint8Array([1, 2])], { type: "Text/Plain" }))',
    '((f) => [f.name, f.lastModified, f.size])(new File(["x"], "n", { lastModified: 5 }))',
    'new Blob("x")',
    'new File([])',
  ])('%s', (expression) => {
    expect(there(expression)).toEqual(here(expression))
  })

  test.each([
    'new Response("é").text()',
    'new Response(new Uint8Array([1, 2, 3]).subarray(1)).arrayBuffer().then((b) => [...new Uint8Array(b)])',
    'new Response(\'{"a":1}\').json()',
    'new Response("x").blob().then((b) => [b.size, b.type])',
    'new Blob(["a", "b"]).text()',
    'new Blob(["ab"]).arrayBuffer().then((b) => b instanceof ArrayBuffer && b.byteLength)',
    '((r) => Promise.all([r.clone().text(), r.text(), r.bodyUsed]))(new Response("x"))',
    '((r) => r.text().then(() => r.text()).catch((e) => e.name))(new Response("x"))',
    'new Request("http://a", { method: "POST", body: "q" }).text()',
    'structuredClone(new Blob(["x"])).text()',
  ])('%s', async (expression) => {
    // eslint-disable-next-line no-eval
    const expected: unknown = await (0, eval)(expression)
    expect(await context.run(expression)).toEqual(JSON.parse(JSON.stringify(expected)))
  })
})

test('a response without a body may be made with an empty text', () => {
  expect(there('((r) => [r.status, r.body, [...r.headers]])(new Response("", { status: 205 }))')).toEqual([
    205,
    null,
    [],
  ])
})

describe('crypto and contexts', () => {
  test('digests are those of Node', async () => {
    for (const name of ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512']) {
      for (const length of [0, 1, 55, 56, 63, 64, 111, 112, 127, 128, 1000]) {
        const bytes = Uint8Array.from({ length }, (_, i) => (i * 7 + 3) & 255)
        const expected = [...new Uint8Array(await crypto.subtle.digest(name, bytes))]
        const given = await context.run(
          `crypto.subtle.digest("${name}", new Uint8Array(${JSON.stringify([...bytes])})).then((b) => [...new Uint8Array(b)])`,
        )
        expect(given, `${name} of ${length} bytes`).toEqual(expected)
      }
    }
    await expect(context.run('crypto.subtle.digest("MD5", new Uint8Array(1))')).rejects.toThrow(
      'Unrecognized algorithm name',
    )
  })

  test('randomness has its limits', async () => {
    await expect(context.run('crypto.getRandomValues(new Uint8Array(65537))')).rejects.toThrow(/65536/)
    await expect(context.run('crypto.getRandomValues(new Float32Array(1))')).rejects.toThrow(/integer-type/)
    await expect(context.run('crypto.subtle.generateKey("Ed25519", true, ["sign"])')).rejects.toThrow(
      "Can't use cryptographic randomness in queries and mutations. Please consider using an action. See https://docs.convex.dev/functions/actions for more details.",
    )
  })

  test('a store is seen inside run and nowhere after an await', async () => {
    expect(
      await context.run(`(async () => {
        const s = new AsyncLocalStorage()
        const seen = [s.getStore() ?? null, s.run(1, () => [s.getStore(), s.run(2, () => s.getStore()), s.exit(() => s.getStore() ?? null), s.getStore()]), s.getStore() ?? null]
        const bound = s.run(3, () => AsyncLocalStorage.bind(() => s.getStore()))
        seen.push(bound())
        await s.run(4, async () => { seen.push(s.getStore()); await null; seen.push(s.getStore() ?? null) })
        return seen
      })()`),
    ).toEqual([null, [1, 2, null, 1], null, 3, 4, null])
    await context.run('globalThis.storage = new AsyncLocalStorage(), storage.enterWith(1)')
    expect(await context.run('storage.getStore() ?? null')).toBeNull()
  })

  test('marks and measures live as long as the call', async () => {
    expect(
      await context.run(
        '(performance.mark("a"), performance.measure("m", "a"), performance.getEntries().map((e) => [e.name, e.entryType, e.duration]))',
      ),
    ).toEqual([
      ['a', 'mark', 0],
      ['m', 'measure', 0],
    ])
    expect(await context.run('performance.getEntries().length')).toBe(0)
  })

  test('queueMicrotask runs', async () => {
    expect(await context.run('new Promise((resolve) => queueMicrotask(() => resolve(1)))')).toBe(1)
  })
})
