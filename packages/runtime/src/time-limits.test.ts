// The limits on time that function-runtime.md §5 names, each with its text, on a clock that stands still.
import { type Clock, createDeferred } from '@concave/base'
import { beforeEach, describe, expect, test } from 'vitest'
import type { ActionHost, ActionRequest, HttpExchange } from './actions/action.ts'
import { ActionCall } from './actions/action-call.ts'
import { Call } from './call.ts'
import { frameKinds } from './protocol.ts'
import type { RunnerProcess } from './runner-process.ts'
import { actionRequest } from './testing/action-fixture.ts'
import { sampleCode, sampleRequest } from './testing/sample-code.ts'
import { ScriptedHost } from './testing/scripted-host.ts'
import type { Timers } from './timers.ts'

const never = (): Promise<never> => new Promise(() => undefined)
const systemTimeout = {
  code: 'SystemTimeoutError',
  message: 'Your request timed out performing too many system operations.',
}

let nowMs: number
let tasks: { readonly atMs: number; readonly run: () => void }[]
const clock: Clock = { nowMs: () => nowMs, nowNs: () => BigInt(nowMs) * 1_000_000n, monotonicMs: () => nowMs }
const timers: Timers = {
  after: (delayMs, run) => {
    const task = { atMs: nowMs + delayMs, run }
    tasks.push(task)
    return () => void (tasks = tasks.filter((other) => other !== task))
  },
}

/** Lets time pass, and whatever is due in it happen in order. */
function pass(ms: number): void {
  const endMs = nowMs + ms
  for (;;) {
    const due = tasks.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0]
    if (due === undefined) break
    tasks = tasks.filter((other) => other !== due)
    nowMs = due.atMs
    due.run()
  }
  nowMs = endMs
}

beforeEach(() => {
  nowMs = 0
  tasks = []
})

describe.each(['query', 'mutation'] as const)('a %s', (udfType) => {
  let exit: () => void
  const open = (): Call => {
    const runner = {
      exit: undefined,
      ensureCode: () => undefined,
      ensureEnv: () => undefined,
      readCpuTime: () => ({ nowMs, beforeMs: 0 }),
      send: () => undefined,
      // The exit comes later, as of a real process.
      kill: () => queueMicrotask(exit),
    }
    const call = new Call({
      number: 1,
      runner: runner as unknown as RunnerProcess,
      request: sampleRequest(sampleCode({ 'a.js': 'export const f = 1' }), 'f', { udfType }),
      host: new ScriptedHost({ answers: { get: never } }),
      keepsState: () => false,
      ahead: 'nothing',
      clock,
    })
    exit = () => call.lose({ crashed: false, description: 'SIGKILL' })
    call.start()
    return call
  }

  test('may compute for a second', async () => {
    const call = open()
    pass(999)
    call.checkTime()
    expect(call.isOver).toBe(false)
    pass(1)
    call.checkTime()
    expect(await call.end).toMatchObject({
      outcome: { kind: 'userError', message: 'Function execution timed out (maximum duration: 1s)' },
    })
  })

  test('may wait for the host for 15 seconds', async () => {
    const call = open()
    const ended = Promise.allSettled([call.end])
    call.receive({ kind: frameKinds.syscall, texts: ['', 'get', '{}'] })
    pass(15_000)
    call.checkTime()
    expect(call.isOver).toBe(false)
    pass(1)
    call.checkTime()
    expect(await ended).toMatchObject([{ status: 'rejected', reason: systemTimeout }])
  })
})

const exchange: HttpExchange = {
  requestBody: undefined,
  signal: new AbortController().signal,
  respond: () => undefined,
  responseBody: { write: never, end: never, abort: () => undefined },
}
const action = actionRequest('return 1')
const httpAction: ActionRequest = {
  code: action.code,
  env: action.env,
  modulePath: action.modulePath,
  seed: action.seed,
  kind: 'http',
  path: '/',
  request: { method: 'GET', url: 'http://site.test/', headerPairs: [] },
  exchange,
}

describe.each([
  ['an action', action],
  ['an HTTP action', httpAction],
])('%s', (_what, request) => {
  let isOver: boolean
  const open = (answer: ActionHost['syscall']): ActionCall => {
    const call = new ActionCall({
      request,
      host: { syscall: answer, log: () => undefined },
      egress: { allowsPrivate: true, fetch: never },
      clock,
      timers,
      timeMs: 1_800_000,
    })
    isOver = false
    call.outcome.then(
      () => (isOver = true),
      () => (isOver = true),
    )
    const nothing = (): void => undefined
    call.begin({ deliver: nothing, wake: nothing, abortRequest: nothing, end: nothing })
    return call
  }

  test('may take half an hour', async () => {
    const call = open(never)
    // What it calls and waits for counts for nothing but this.
    call.operate('1', '1.0/actions/action', '{}', '')
    call.operate('2', 'fetch', '{}', '')
    pass(1_799_999)
    await Promise.resolve()
    expect(isOver).toBe(false)
    pass(1)
    expect(await call.outcome).toEqual({
      kind: 'userError',
      message: 'Function execution timed out (maximum duration: 1800s)',
      data: undefined,
    })
  })

  test('may wait for the system for five minutes, all in all', async () => {
    const answers: (() => void)[] = []
    const call = open(async () => {
      const answer = createDeferred<void>()
      answers.push(answer.resolve)
      await answer.promise
      return { text: 'null' }
    })
    const ended = Promise.allSettled([call.outcome])
    // Two at the same time take as long as one.
    call.operate('1', '1.0/storageGetUrl', '{}', '')
    call.operate('2', '1.0/storageGetUrl', '{}', '')
    await expect.poll(() => answers.length).toBe(2)
    pass(200_000)
    for (const answer of answers.splice(0)) answer()
    await expect.poll(() => tasks.length).toBe(1)
    // Nothing is asked for meanwhile.
    pass(600_000)
    call.operate('3', '1.0/storageGetUrl', '{}', '')
    pass(99_999)
    await Promise.resolve()
    expect(isOver).toBe(false)
    pass(1)
    expect(await ended).toMatchObject([{ status: 'rejected', reason: systemTimeout }])
  })
})
