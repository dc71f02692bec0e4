import type { Clock } from '@concave/base'
import { expect, test } from 'vitest'
import { type Completion, FunctionLog } from './function-log.ts'

/** Stands still: cursors must rise all the same. */
const clock: Clock = { nowMs: () => 5000, nowNs: () => 5_000_000_000n, monotonicMs: () => 1 }

const completion: Completion = {
  udfType: 'Mutation',
  componentPath: '',
  identifier: 'messages:send',
  logLines: [{ messages: ["'hi'"], level: 'LOG', timestamp: 5000, isTruncated: false }],
  startedAtMs: 4990,
  durationMs: 10,
  cachedResult: false,
  error: undefined,
  caller: 'HttpApi',
  requestId: '0123456789abcdef',
  identityType: 'unknown',
  usage: { readDocuments: 1, readBytes: 10, writeDocuments: 0, writeBytes: 0 },
  returnBytes: 4,
  willRetry: false,
}

const poll = (log: FunctionLog, cursor: number, requestId?: string) =>
  log.poll({ cursor, requestId, structured: false, timeoutMs: 60_000, signal: new AbortController().signal })

test('answers cursor 0 at once, with a cursor that is not 0', async () => {
  const log = new FunctionLog({ clock, capacity: 10, maxCharacters: 1000 })
  expect(await poll(log, 0)).toEqual({ entries: [], newCursor: 5000 })
})

test('gives every entry a cursor of its own and wakes who waits', async () => {
  const log = new FunctionLog({ clock, capacity: 10, maxCharacters: 1000 })
  const { newCursor } = await poll(log, 0)
  const waiting = poll(log, newCursor)
  log.record(completion)
  log.record(completion)
  const first = await waiting
  expect(first.entries.length).toBeGreaterThanOrEqual(1)
  const all = await poll(log, newCursor)
  expect(all.entries).toMatchObject([
    { kind: 'Completion', identifier: 'messages:send', logLines: ["[LOG] 'hi'"], timestamp: 5, executionTime: 0.01 },
    { kind: 'Completion' },
  ])
  expect(all.newCursor).toBeGreaterThan(newCursor)
})

test('keeps the newest entries only', async () => {
  const log = new FunctionLog({ clock, capacity: 2, maxCharacters: 1000 })
  for (const identifier of ['a:a', 'b:b', 'c:c']) log.record({ ...completion, identifier })
  expect((await poll(log, 1)).entries).toMatchObject([{ identifier: 'b:b' }, { identifier: 'c:c' }])
})

test('keeps fewer entries if they are long, but always the newest', async () => {
  const log = new FunctionLog({ clock, capacity: 10, maxCharacters: 1000 })
  const record = (identifier: string, characters: number): void => {
    const logLines = [{ ...completion.logLines[0], messages: ['x'.repeat(characters)] }] as Completion['logLines']
    log.record({ ...completion, identifier, logLines })
  }
  const kept = async (): Promise<readonly unknown[]> =>
    (await poll(log, 1)).entries.map((entry) => (entry as { readonly identifier: string }).identifier)
  for (const identifier of ['a:a', 'b:b', 'c:c']) record(identifier, 400)
  expect(await kept()).toEqual(['b:b', 'c:c'])
  record('d:d', 2000)
  expect(await kept()).toEqual(['d:d'])
  for (const identifier of ['e:e', 'f:f']) record(identifier, 400)
  expect(await kept()).toEqual(['e:e', 'f:f'])
})

test('can be restricted to one request', async () => {
  const log = new FunctionLog({ clock, capacity: 10, maxCharacters: 1000 })
  log.record({ ...completion, requestId: 'ffffffffffffffff' })
  log.record(completion)
  expect((await poll(log, 1, completion.requestId)).entries).toMatchObject([{ requestId: completion.requestId }])
})

test('a poll ends empty when its caller goes away', async () => {
  const log = new FunctionLog({ clock, capacity: 10, maxCharacters: 1000 })
  const gone = new AbortController()
  const waiting = log.poll({
    cursor: 9000,
    requestId: undefined,
    structured: true,
    timeoutMs: 60_000,
    signal: gone.signal,
  })
  gone.abort()
  expect(await waiting).toEqual({ entries: [], newCursor: 9000 })
})
