/** Streams of actions against those of Node: the same program must give the same JSON in both. */
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
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const log = []
const attempt = async (run) => { try { return await run() } catch (e) { return 'threw ' + (e?.name ?? '') + ':' + (e instanceof TypeError || e instanceof RangeError ? '' : e?.message ?? e) } }
const readAll = async (stream) => { const all = []; for await (const chunk of stream) all.push(chunk); return all }
const count = (n, delay) => { let i = 0; return new ReadableStream({ async pull(c) { if (delay) await sleep(1); if (i === n) c.close(); else c.enqueue(i++) } }) }
const logging = (options = {}, strategy) => new WritableStream({
  async write(chunk) { log.push('write ' + chunk); if (options.delay) await sleep(1); if (chunk === options.failAt) throw new Error('sink') },
  close() { log.push('close') }, abort(reason) { log.push('abort ' + (reason?.message ?? reason)) } }, strategy)
`

const programs: Readonly<Record<string, string>> = {
  'reads to the end': `return [await readAll(count(3)), await readAll(count(2, true))]`,
  'reads by a reader': `
    const reader = count(2).getReader()
    return [await reader.read(), await reader.read(), await reader.read(), await reader.closed === undefined]`,
  'reads ahead of the source': `
    let controller; const s = new ReadableStream({ start(c) { controller = c } })
    const reader = s.getReader(); const reads = [reader.read(), reader.read(), reader.read()]
    controller.enqueue('a'); controller.enqueue('b'); controller.close()
    return await Promise.all(reads)`,
  'pulls only as much as is wanted': `
    let pulls = 0; const s = new ReadableStream({ pull(c) { c.enqueue(pulls++) } }, { highWaterMark: 3 })
    await sleep(5); const before = pulls; const reader = s.getReader(); await reader.read(); await sleep(5)
    return [before, pulls]`,
  'sizes chunks by the strategy': `
    let desired = []; const s = new ReadableStream({ start(c) { c.enqueue('abc'); desired.push(c.desiredSize); c.enqueue('de'); desired.push(c.desiredSize) } }, { highWaterMark: 10, size: (t) => t.length })
    return [desired, new CountQueuingStrategy({ highWaterMark: 2 }).size('x'), new ByteLengthQueuingStrategy({ highWaterMark: 2 }).size(new Uint8Array(5))]`,
  'tells an error to readers': `
    const failing = new ReadableStream({ pull() { throw new Error('source') } })
    const reader = failing.getReader()
    return [await attempt(() => reader.read()), await attempt(() => reader.closed), await attempt(() => reader.cancel())]`,
  'reads what was queued before the end, but not before an error': `
    const s = new ReadableStream({ start(c) { c.enqueue(1); c.error(new Error('gone')) } })
    const t = new ReadableStream({ start(c) { c.enqueue(1); c.close() } })
    return [await attempt(() => readAll(s)), await readAll(t)]`,
  locks: `
    const s = count(1); const reader = s.getReader()
    const locked = [s.locked, await attempt(() => s.getReader()), await attempt(() => s.cancel()), await attempt(() => s.tee())]
    reader.releaseLock()
    return [...locked, s.locked, await attempt(() => reader.read()), await attempt(() => reader.closed), await readAll(s)]`,
  'cancels the source': `
    const s = new ReadableStream({ cancel(reason) { log.push('cancel ' + reason) } })
    await s.cancel('why'); const reader = s.getReader()
    return [log, await reader.read()]`,
  'cancels when a loop is left': `
    const s = new ReadableStream({ pull(c) { c.enqueue(1) }, cancel() { log.push('cancelled') } })
    for await (const chunk of s) { log.push(chunk); break }
    const kept = new ReadableStream({ pull(c) { c.enqueue(1) }, cancel() { log.push('not this') } })
    for await (const chunk of kept.values({ preventCancel: true })) break
    return [log, s.locked, kept.locked]`,
  'refuses misuse of the controller': `
    let c; new ReadableStream({ start(given) { c = given } }); c.close()
    return [await attempt(() => c.enqueue(1)), await attempt(() => c.close()), c.desiredSize, await attempt(() => new ReadableStreamDefaultController()), await attempt(() => new ReadableStream({ type: 'x' })), await attempt(() => new ReadableStream({}, { highWaterMark: -1 }))]`,
  tees: `
    const [a, b] = count(3).tee()
    const first = await readAll(a); return [first, await readAll(b)]`,
  'tees an error and a cancel': `
    const failing = new ReadableStream({ pull() { throw new Error('source') } })
    const [a, b] = failing.tee()
    const s = new ReadableStream({ pull(c) { c.enqueue(1) }, cancel(reasons) { log.push(reasons) } })
    const [x, y] = s.tee()
    const both = [x.cancel('one'), y.cancel('two')]
    await Promise.all(both)
    return [await attempt(() => readAll(a)), await attempt(() => readAll(b)), log]`,
  'is made from what can be iterated': `
    return [await readAll(ReadableStream.from([1, Promise.resolve(2)])), await readAll(ReadableStream.from((async function* () { yield 'a'; yield 'b' })())), await attempt(() => ReadableStream.from(7))]`,
  'reads bytes into buffers': `
    const s = new ReadableStream({ type: 'bytes', start(c) { c.enqueue(new Uint8Array([1, 2, 3, 4, 5])); c.close() } })
    const reader = s.getReader({ mode: 'byob' })
    const one = await reader.read(new Uint8Array(3)); const two = await reader.read(new Uint8Array(3)); const end = await reader.read(new Uint8Array(3))
    return [[...one.value], one.done, [...two.value], two.done, end.value.length, end.done]`,
  'lets the source fill the buffers of readers': `
    let n = 0
    const s = new ReadableStream({ type: 'bytes', pull(c) {
      const { view } = c.byobRequest; log.push([view.byteOffset, view.byteLength])
      if (n === 3) { c.close(); c.byobRequest.respond(0); return }
      view[0] = ++n; view[1] = 7; c.byobRequest.respond(2) } })
    const reader = s.getReader({ mode: 'byob' })
    const buffer = new Uint8Array(4)
    const one = await reader.read(buffer); const two = await reader.read(new Uint8Array(6).subarray(2)); const three = await reader.read(new Uint8Array(4), { min: 2 }); const end = await reader.read(new Uint8Array(4))
    return [log, [...one.value], [...two.value], two.value.byteOffset, [...three.value], end.done, end.value.length, buffer.length]`,
  'fills several times until there are enough': `
    let n = 0
    const s = new ReadableStream({ type: 'bytes', pull(c) { c.byobRequest.view[0] = ++n; c.byobRequest.respond(1) } })
    const reader = s.getReader({ mode: 'byob' })
    const { value } = await reader.read(new Uint16Array(4), { min: 2 })
    return [value.constructor.name, [...value], n]`,
  'allocates buffers for readers without one': `
    const s = new ReadableStream({ type: 'bytes', autoAllocateChunkSize: 8, pull(c) { log.push(c.byobRequest.view.byteLength); c.byobRequest.view[0] = 5; c.byobRequest.respond(1) } })
    const { value } = await s.getReader().read()
    return [log, [...value], value.buffer.byteLength]`,
  'takes a view in place of its own': `
    const s = new ReadableStream({ type: 'bytes', pull(c) { const { view } = c.byobRequest; const other = new Uint8Array(view.buffer, view.byteOffset, 2); other.set([8, 9]); c.byobRequest.respondWithNewView(other) } })
    return [...(await s.getReader({ mode: 'byob' }).read(new Uint8Array(3))).value]`,
  'keeps what did not fit, whoever reads next': `
    const s = new ReadableStream({ type: 'bytes', start(c) { c.enqueue(new Uint8Array([1, 2, 3, 4, 5])) } })
    const reader = s.getReader({ mode: 'byob' })
    const one = await reader.read(new Uint8Array(2)); const two = await reader.read(new Uint16Array(1)); reader.releaseLock()
    return [[...one.value], [...two.value], [...(await s.getReader().read()).value]]`,
  'takes buffers away': `
    let c; const s = new ReadableStream({ type: 'bytes', start(given) { c = given } })
    const chunk = new Uint8Array([1]), view = new Uint8Array(4); c.enqueue(chunk)
    const reading = s.getReader({ mode: 'byob' }).read(view)
    return [chunk.length, view.length, (await reading).value.length]`,
  'refuses misuse of byte streams': `
    const bytes = () => new ReadableStream({ type: 'bytes' })
    let c; new ReadableStream({ type: 'bytes', start(given) { c = given } })
    return [await attempt(() => new ReadableStream().getReader({ mode: 'byob' })), await attempt(() => bytes().getReader({ mode: 'byob' }).read(new Uint8Array(0))),
      await attempt(() => bytes().getReader({ mode: 'byob' }).read()), await attempt(() => bytes().getReader({ mode: 'byob' }).read(new Uint8Array(2), { min: 3 })), c.byobRequest,
      await attempt(() => bytes().getReader({ mode: 'byob' }).read(new Uint8Array(2), { min: 0 })), await attempt(() => new ReadableStream({ type: 'bytes', autoAllocateChunkSize: 0 }))]`,
  'refuses too much or too little of a buffer': `
    let seen
    const s = new ReadableStream({ type: 'bytes', async pull(c) { const request = c.byobRequest; seen ??= [await attempt(() => request.respond(0)), await attempt(() => request.respond(9)), await attempt(() => request.respondWithNewView(1))]; request.respond(1); seen.push(await attempt(() => request.respond(1)), request.view) } })
    const { value } = await s.getReader({ mode: 'byob' }).read(new Uint8Array(3)); await sleep(2)
    return [seen, value.length]`,
  'ends within an element': `
    let c; const s = new ReadableStream({ type: 'bytes', start(given) { c = given } })
    const reading = attempt(() => s.getReader({ mode: 'byob' }).read(new Uint16Array(2))); c.enqueue(new Uint8Array(1))
    return [await attempt(() => c.close()), await reading]`,
  'cancels reads into buffers': `
    const s = new ReadableStream({ type: 'bytes', cancel(r) { log.push(r) } })
    const reader = s.getReader({ mode: 'byob' }); const reading = reader.read(new Uint8Array(2)); await reader.cancel('x')
    const { value, done } = await reading; return [value === undefined, done, log]`,
  'releases a reader whose buffer is being filled': `
    let c; const s = new ReadableStream({ type: 'bytes', start(given) { c = given } })
    const reader = s.getReader({ mode: 'byob' }); const reading = attempt(() => reader.read(new Uint8Array(2))); await sleep(1)
    const request = c.byobRequest; reader.releaseLock(); request.view[0] = 6; request.respond(1)
    return [await reading, [...(await s.getReader().read()).value]]`,
  'tees bytes': `
    const s = new ReadableStream({ type: 'bytes', start(c) { c.enqueue(new Uint8Array([1, 2])); c.enqueue(new Uint8Array([3])); c.close() } })
    const [a, b] = s.tee()
    const reader = a.getReader({ mode: 'byob' })
    const seen = []
    for (;;) { const { value, done } = await reader.read(new Uint8Array(1)); if (done) break; seen.push(...value) }
    return [seen, (await readAll(b)).flatMap((x) => [...x])]`,
  'refuses what is no bytes in a byte stream': `
    let c; new ReadableStream({ type: 'bytes', start(given) { c = given } })
    return [await attempt(() => c.enqueue('text')), await attempt(() => c.enqueue(new Uint8Array(0)))]`,
  'writes in order': `
    const w = logging({ delay: true }).getWriter()
    const writes = [w.write(1), w.write(2)]; log.push(w.desiredSize)
    await w.close(); await Promise.all(writes); await w.closed
    return [log, await attempt(() => w.write(3))]`,
  'is ready when there is room': `
    const w = logging({ delay: true }, { highWaterMark: 2 }).getWriter()
    const seen = [w.desiredSize]; await w.ready; w.write(1); seen.push(w.desiredSize); w.write(2); seen.push(w.desiredSize)
    await w.ready; seen.push(w.desiredSize); await w.close(); seen.push(w.desiredSize)
    return [seen, log]`,
  'fails when its sink does': `
    const w = logging({ failAt: 2 }).getWriter()
    w.closed.catch(() => {}); w.ready.catch(() => {})
    const results = [await attempt(() => w.write(1)), await attempt(() => w.write(2)), await attempt(() => w.write(3)), await attempt(() => w.close()), await attempt(() => w.closed), await attempt(() => w.ready)]
    return [results, w.desiredSize === null ? 'null' : await attempt(() => w.desiredSize), log]`,
  aborts: `
    const s = logging({ delay: true }); const w = s.getWriter()
    w.closed.catch(() => {}); w.ready.catch(() => {})
    const first = w.write(1).catch(() => {}); const second = attempt(() => w.write(2))
    await w.abort(new Error('enough')); await first
    return [log, await second, await attempt(() => w.closed), await attempt(() => w.write(3)), await attempt(() => w.abort())]`,
  'refuses to start': `
    const s = new WritableStream({ start() { return Promise.reject(new Error('no start')) } }); const w = s.getWriter()
    w.closed.catch(() => {}); w.ready.catch(() => {})
    return [await attempt(() => w.write(1)), await attempt(() => w.closed)]`,
  pipes: `
    await count(3).pipeTo(logging({ delay: true })); return log`,
  'pipes an error to the sink': `
    let n = 0; const failing = new ReadableStream({ pull(c) { if (n++ === 1) throw new Error('source'); c.enqueue(n) } })
    return [await attempt(() => failing.pipeTo(logging())), log]`,
  'pipes an error to the source': `
    const s = new ReadableStream({ pull(c) { c.enqueue(2) }, cancel(reason) { log.push('cancel ' + reason.message) } })
    return [await attempt(() => s.pipeTo(logging({ failAt: 2 }))), log]`,
  'pipes without closing or aborting if told so': `
    const sink = logging(); await count(1).pipeTo(sink, { preventClose: true }); const w = sink.getWriter(); await w.write('more'); await w.close()
    return log`,
  'is stopped by a signal while it pipes': `
    const controller = new AbortController()
    const s = new ReadableStream({ async pull(c) { await sleep(1); c.enqueue(1) }, cancel(r) { log.push('cancel ' + r.message) } })
    const sink = new WritableStream({ abort(r) { log.push('abort ' + r.message) } })
    setTimeout(() => controller.abort(new Error('stop')), 10)
    const end = await attempt(() => s.pipeTo(sink, { signal: controller.signal }))
    return [end, log.sort(), s.locked, sink.locked]`,
  transforms: `
    const upper = new TransformStream({ start(c) { c.enqueue('start') }, transform(chunk, c) { c.enqueue(chunk * 2); c.enqueue('!') }, flush(c) { c.enqueue('end') } })
    return await readAll(count(2).pipeThrough(upper))`,
  'transforms by writer and reader': `
    const { readable, writable } = new TransformStream()
    const w = writable.getWriter(); const r = readable.getReader()
    const pending = r.read(); await w.write('a'); const second = w.write('b'); const out = [await pending, await r.read()]; await second
    const closing = w.close(); out.push(await r.read()); await closing
    return out`,
  'holds the writer back until somebody reads': `
    const { readable, writable } = new TransformStream(); const w = writable.getWriter()
    let written = 0; const all = (async () => { for (let i = 0; i < 4; i++) { await w.ready; w.write(i); written++ } await w.close() })()
    await sleep(10); const before = written; const chunks = await readAll(readable); await all
    return [before, chunks]`,
  'fails on both sides': `
    const t = new TransformStream({ transform() { throw new Error('transformer') } })
    const w = t.writable.getWriter(); w.closed.catch(() => {}); w.ready.catch(() => {})
    const reading = attempt(() => readAll(t.readable)); const writing = attempt(() => w.write(1))
    return [await reading, await writing, await attempt(() => w.closed)]`,
  'is terminated by its transformer': `
    const t = new TransformStream({ transform(chunk, c) { c.enqueue(chunk); if (chunk === 1) c.terminate() } })
    const piping = attempt(() => count(5).pipeTo(t.writable)); const chunks = await readAll(t.readable)
    return [chunks, await piping]`,
  'encodes and decodes text across chunks': `
    const bytes = await readAll(ReadableStream.from(['a\\ud83d', '\\ude00b', 'ä']).pipeThrough(new TextEncoderStream()))
    const all = bytes.flatMap((b) => [...b])
    const split = ReadableStream.from(all.map((b) => new Uint8Array([b])))
    return [all, (await readAll(split.pipeThrough(new TextDecoderStream()))).join('')]`,
  'reads bodies as streams': `
    const r = new Response('hällo'); const clone = r.clone()
    const viaStream = (await readAll(clone.body)).flatMap((b) => [...b])
    return [r.bodyUsed, await r.text(), r.bodyUsed, clone.bodyUsed, viaStream, await attempt(() => r.text())]`,
  'reads blobs as streams': `
    const chunks = await readAll(new Blob(['ab', new Uint8Array([99])]).stream())
    return chunks.flatMap((b) => [...b])`,
  'makes requests from requests': `
    const a = new Request('http://h/', { method: 'POST', body: new Blob(['x'], { type: 'text/x' }) }); const b = new Request(a, { headers: { y: '1' } })
    return [a.bodyUsed, b.method, await b.text(), b.headers.get('y'), await attempt(() => new Request(a)), await attempt(() => new Request('http://h/', { body: 'x' }))]`,
}

for (const [name, body] of Object.entries(programs)) {
  test(`a stream ${name}`, async () => {
    // eslint-disable-next-line no-new-func
    const AsyncFunction = (async () => {}).constructor as new (body: string) => () => Promise<unknown>
    const expected: unknown = JSON.parse(JSON.stringify(await new AsyncFunction(helpers + body)()))
    expect(await fixture.run(`{ ${helpers} ${body} }`)).toEqual(expected)
  })
}
