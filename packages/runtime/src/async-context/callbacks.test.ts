/** Contexts of what the platform calls back in an action: the one in which the callback was handed over. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ActionFixture, openActionFixture } from '../testing/action-fixture.ts'

let fixture: ActionFixture
beforeAll(async () => {
  fixture = await openActionFixture()
}, 60_000)
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
})

const helpers = `
const s = new AsyncLocalStorage(), seen = []
const see = (what) => { seen.push(what + ' ' + (s.getStore() ?? 'nowhere')) }
`

test('those of a stream run where it was made', async () => {
  const program = `${helpers}
    const source = s.run('source', () => { let n = 0; return new ReadableStream({ start() { see('start') }, pull(c) { see('pull'); if (n++ === 1) c.close(); else c.enqueue(n) } }) })
    const transform = s.run('transform', () => new TransformStream({ start() { see('start') }, transform(x, c) { see('transform'); c.enqueue(x) }, flush() { see('flush') } }))
    const sink = s.run('sink', () => new WritableStream({ start() { see('start') }, write() { see('write') }, close() { see('close') } }))
    await s.run('pipe', () => source.pipeThrough(transform).pipeTo(sink))
    const bytes = s.run('bytes', () => new ReadableStream({ type: 'bytes', autoAllocateChunkSize: 3, pull(c) { see('fill'); c.byobRequest.respond(3) }, cancel() { see('cancel') } }))
    const reader = bytes.getReader(); await reader.read(); await reader.cancel()
    return seen`
  expect([...new Set((await fixture.run(program)) as string[])].toSorted()).toEqual([
    'cancel bytes',
    'close sink',
    'fill bytes',
    'flush transform',
    'pull source',
    'start sink',
    'start source',
    'start transform',
    'transform transform',
    'write sink',
  ])
})

test('timers and promises run where they were asked for, listeners where the event is dispatched', async () => {
  const program = `${helpers}
    const target = new EventTarget()
    s.run('listen', () => target.addEventListener('x', () => see('listener')))
    s.run('dispatch', () => target.dispatchEvent(new Event('x')))
    const later = (start) => s.run(start.name, () => new Promise((resolve) => start(() => { see('callback'); resolve() })))
    await later(function timeout(go) { setTimeout(go, 1) })
    await later(function interval(go) { const id = setInterval(() => { clearInterval(id); go() }, 1) })
    await later(function microtask(go) { queueMicrotask(go) })
    await later(function signal(go) { AbortSignal.timeout(1).onabort = go })
    await later(function digest(go) { crypto.subtle.digest('SHA-1', new Uint8Array(1)).then(go) })
    await later(function syscall(go) { Convex.asyncSyscall('unknown', '{}').catch(go) })
    await later(function body(go) { new Response('x').text().finally(go) })
    see('outside')
    return seen`
  expect(await fixture.run(program)).toEqual([
    'listener dispatch',
    ...'timeout interval microtask signal digest syscall body'.split(' ').map((name) => `callback ${name}`),
    'outside nowhere',
  ])
})
