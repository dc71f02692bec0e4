/** Runs actions written by hand in real runners, for tests. */
import { createLog } from '@concave/base'
import type { ActionAnswer, ActionHost, ActionOutcome, ActionRequest } from '../actions/action.ts'
import { ActionExecutor, type ActionExecutorOptions } from '../actions/action-executor.ts'
import { ProcessEgress } from '../actions/egress-process/process-egress.ts'
import { CatchableError, type EnvBundle, type LogLine } from '../execution.ts'
import { RunnerPool } from '../runner-pool.ts'
import { emptyEnv, sampleCode } from './sample-code.ts'

type Answer = (args: Record<string, unknown>, body: Uint8Array) => unknown

/** Syscalls answered by functions. Keeps console lines. */
export class ScriptedActionHost implements ActionHost {
  readonly lines: LogLine[] = []
  readonly #answers: Readonly<Record<string, Answer>>

  constructor(answers: Readonly<Record<string, Answer>> = {}) {
    this.#answers = answers
  }

  async syscall(op: string, argsText: string, body: Uint8Array): Promise<ActionAnswer> {
    const answer = this.#answers[op]
    if (answer === undefined) throw new CatchableError(`Unknown async operation ${op}`)
    return { text: JSON.stringify((await answer(JSON.parse(argsText) as Record<string, unknown>, body)) ?? null) }
  }

  log(lines: readonly LogLine[]): void {
    this.lines.push(...lines)
  }
}

/** An action whose handler has `body`; `args` are in its scope, and `call(op, args)` for syscalls. */
export function actionRequest(
  body: string,
  options: { readonly args?: object; readonly env?: EnvBundle } = {},
): ActionRequest {
  const source = `
export const run = {
  isAction: true,
  isPublic: true,
  invokeAction: async (requestId, text) => {
    const [args] = JSON.parse(text)
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
    return JSON.stringify((await (async () => { ${body} })()) ?? null)
  },
}`
  return {
    kind: 'action',
    code: sampleCode({ 'a.js': source }),
    env: options.env ?? emptyEnv,
    modulePath: 'a.js',
    exportName: 'run',
    argsText: JSON.stringify([options.args ?? {}]),
    seed: '33'.repeat(32),
  }
}

/** The value of a success; the message of a failure. */
export function resultOf(outcome: ActionOutcome): unknown {
  return outcome.kind === 'success' ? (JSON.parse(outcome.resultText) as unknown) : outcome.message
}

export type ActionFixture = AsyncDisposable & {
  readonly pool: RunnerPool
  readonly egress: ProcessEgress
  readonly executor: ActionExecutor
  /** Runs the body of a handler to its result. */
  run(body: string, options?: { readonly args?: object; readonly host?: ActionHost }): Promise<unknown>
  open(options: Partial<ActionExecutorOptions>): ActionExecutor
}

export async function openActionFixture(): Promise<ActionFixture> {
  const log = createLog({ level: 'error' })
  const pool = await RunnerPool.start({ log, warmRunners: 0 })
  const egress = new ProcessEgress({ allowsPrivate: true, log })
  const open = (options: Partial<ActionExecutorOptions>): ActionExecutor =>
    new ActionExecutor({ pool, egress, log, ...options })
  const executor = open({})
  return {
    pool,
    egress,
    executor,
    open,
    run: async (body, options = {}) =>
      resultOf(await executor.run(actionRequest(body, options), options.host ?? new ScriptedActionHost())),
    [Symbol.asyncDispose]: async () => {
      await executor.close()
      await pool.close()
      await egress[Symbol.asyncDispose]()
    },
  }
}
