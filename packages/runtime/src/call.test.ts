import { createDeferred } from '@concave/base'
import { beforeEach, describe, expect, test } from 'vitest'
import { Call } from './call.ts'
import { runtimeLimits } from './limits.ts'
import { encodeEnd, encodeRunLogs, frameKinds } from './protocol.ts'
import type { RunnerProcess } from './runner-process.ts'
import { sampleCode, sampleRequest } from './testing/sample-code.ts'
import { ScriptedHost } from './testing/scripted-host.ts'

const code = sampleCode({ 'a.js': 'export const f = mutation(() => null)' })
const large = 'x'.repeat(1_000_000)
const { userWallCapMs, systemTimeMs } = runtimeLimits

let nowMs: number
let sent: number[]
let kills: number
let call: Call
let answered: Promise<void>

beforeEach(() => {
  nowMs = 0
  sent = []
  kills = 0
  const replied = createDeferred<void>()
  answered = replied.promise
  const runner = {
    exit: undefined,
    ensureCode: () => undefined,
    ensureEnv: () => undefined,
    readCpuTime: () => undefined,
    kill: () => (kills += 1),
    send: (kind: number) => {
      sent.push(kind)
      if (kind === frameKinds.replyOk) replied.resolve()
    },
  }
  call = new Call({
    number: 1,
    runner: runner as unknown as RunnerProcess,
    request: sampleRequest(code, 'f', { udfType: 'mutation' }),
    host: new ScriptedHost({ answers: { get: () => large } }),
    keepsState: () => false,
    ahead: 'nothing',
    clock: { nowMs: () => nowMs, nowNs: () => BigInt(nowMs) * 1_000_000n, monotonicMs: () => nowMs },
  })
  call.start()
})

const from = (kind: number, ...texts: readonly string[]): void => call.receive({ kind, texts })
const pass = (ms: number): void => {
  nowMs += ms
  call.checkTime()
}

describe('the time that a large frame takes on its way', () => {
  test('from the runner is not that of user code', async () => {
    from(frameKinds.transferring)
    pass(userWallCapMs + 1_000)
    from(
      frameKinds.done,
      '',
      encodeEnd({ kind: 'success' }),
      large,
      encodeRunLogs({ logLines: [], observed: { time: false, env: [] } }),
    )
    expect(kills).toBe(0)
    expect(await call.end).toMatchObject({ kind: 'outcome', outcome: { resultText: large } })
  })

  test('to the runner is not that of user code, which goes on when the runner has it', async () => {
    from(frameKinds.syscall, '', 'get', '{}')
    await answered
    pass(userWallCapMs + 1_000)
    expect(kills).toBe(0)
    from(frameKinds.received)
    pass(userWallCapMs + 1)
    expect(kills).toBe(1)
  })

  test('has its own limit', async () => {
    from(frameKinds.transferring)
    const ended = Promise.allSettled([call.end])
    pass(systemTimeMs + 1)
    expect(await ended).toMatchObject([{ status: 'rejected', reason: { code: 'SystemTimeoutError' } }])
    expect(kills).toBe(1)
  })
})
