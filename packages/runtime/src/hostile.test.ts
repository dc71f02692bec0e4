import { createLog } from '@concave/base'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Executor } from './executor.ts'
import type { ExecuteOutcome } from './execution.ts'
import { RunnerPool } from './runner-pool.ts'
import { sampleCode, sampleRequest } from './testing/sample-code.ts'
import { ScriptedHost } from './testing/scripted-host.ts'

/** Programs that isolated-vm alone does not stop, or stops in its own ways. Each has to end with the error that names its cause. */
const programs: Readonly<Record<string, { readonly body: string; readonly ends: RegExp }>> = {
  'an endless loop': { body: 'while (true) {}', ends: /^Function execution timed out \(maximum duration: 1s\)$/ },
  'a catastrophic regular expression': {
    body: '/(a+)+$/.test("a".repeat(40) + "b")',
    ends: /^Function execution timed out/,
  },
  'an endless chain of microtasks': { body: 'for (;;) await null', ends: /^Function execution timed out/ },
  'a promise that never settles': {
    body: 'await new Promise(() => {})',
    ends: /^Returned promise will never resolve$/,
  },
  'a growing array of objects': {
    body: 'const a = []; for (;;) a.push({ a: a.length })',
    ends: /ran out of memory|timed out/,
  },
  'a growing array of large arrays': {
    body: 'const a = []; let n = 0; while (true) a.push(new Array(1000).fill(n++))',
    ends: /ran out of memory|timed out/,
  },
  'a growing string': {
    body: 'let s = "x"; const a = []; for (;;) { s += s.slice(0, 1e6) + "y"; a.push(s + a.length) }',
    ends: /ran out of memory|timed out|Invalid string length/,
  },
  'growing typed arrays': {
    body: 'const a = []; for (;;) a.push(new Uint8Array(1e6).fill(1))',
    ends: /ran out of memory|allocation failed|timed out/,
  },
  'a growing Map': {
    body: 'const m = new Map(); let i = 0; for (;;) m.set(i++, { i })',
    ends: /ran out of memory|timed out/,
  },
  'a growing Set': {
    body: 'const s = new Set(); let i = 0; for (;;) s.add(i++)',
    ends: /ran out of memory|timed out|Set maximum size/,
  },
  'endless recursion': {
    body: 'const f = () => f() + 1; f()',
    ends: /^Uncaught RangeError: Maximum call stack size exceeded/,
  },
}

let pool: RunnerPool
let hostile: Executor
let peaceful: Executor

beforeAll(async () => {
  const log = createLog({ level: 'error' })
  pool = await RunnerPool.start({ log })
  hostile = new Executor({ pool, log })
  peaceful = new Executor({ pool, log })
})

afterAll(async () => {
  await hostile.close()
  await peaceful.close()
  await pool.close()
})

for (const [name, { body, ends }] of Object.entries(programs)) {
  test(`${name} ends with its error while another deployment keeps serving`, async () => {
    const startedMs = performance.now()
    const code = sampleCode({
      'a.js': `export const attack = query(async () => { ${body} })\nexport const fine = query(() => 1)`,
    })
    const attack = hostile.execute(sampleRequest(code, 'attack'), new ScriptedHost())
    const served: ExecuteOutcome[] = []
    let isOver = false
    void attack.finally(() => (isOver = true))
    do served.push(await peaceful.execute(sampleRequest(code, 'fine'), new ScriptedHost()))
    while (!isOver)
    const outcome = await attack
    expect(outcome.kind).toBe('userError')
    expect(outcome.kind === 'userError' ? outcome.message : '').toMatch(ends)
    expect(performance.now() - startedMs).toBeLessThan(12_000)
    expect(served.every(({ kind }) => kind === 'success')).toBe(true)
    // The deployment that was attacked by its own code goes on as well.
    expect(await hostile.execute(sampleRequest(code, 'fine'), new ScriptedHost())).toMatchObject({ kind: 'success' })
  })
}
