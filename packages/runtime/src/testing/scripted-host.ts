import { CatchableError, type ExecutionHost, type NestedCall, type NestedOutcome } from '../execution.ts'

export type Answer = (args: Record<string, unknown>) => unknown

/** An `ExecutionHost` whose syscalls are answered by functions and which writes down what it is told. */
export class ScriptedHost implements ExecutionHost {
  readonly events: string[] = []
  readonly #answers: Readonly<Record<string, Answer>>
  readonly #pages: readonly (readonly string[])[]
  readonly #nested: (argsText: string) => NestedCall
  readonly #nextPage = new Map<number, number>()
  restart?: () => Promise<void>

  constructor(
    options: {
      readonly answers?: Readonly<Record<string, Answer>>
      readonly pages?: readonly (readonly string[])[]
      readonly nested?: (argsText: string) => NestedCall
    } = {},
  ) {
    this.#answers = options.answers ?? {}
    this.#pages = options.pages ?? [[]]
    this.#nested =
      options.nested ??
      (() => {
        throw new CatchableError('No nested call was scripted.')
      })
  }

  async syscall(op: string, argsText: string): Promise<string> {
    this.events.push(op)
    const answer = this.#answers[op]
    if (answer === undefined) throw new CatchableError(`Unknown async operation ${op}`)
    return JSON.stringify((await answer(JSON.parse(argsText) as Record<string, unknown>)) ?? null)
  }

  async nextPage(queryId: number, query: string | undefined): Promise<{ rows: readonly string[]; done: boolean }> {
    this.events.push(`page ${queryId}${query === undefined ? '' : ' first'}`)
    const index = this.#nextPage.get(queryId) ?? 0
    this.#nextPage.set(queryId, index + 1)
    return { rows: this.#pages[index] ?? [], done: index >= this.#pages.length - 1 }
  }

  consumed(queryId: number, rows: number): void {
    this.events.push(`consumed ${queryId} ${rows}`)
  }

  closeCursor(queryId: number): void {
    this.events.push(`closed ${queryId}`)
  }

  async beginNested(argsText: string): Promise<NestedCall> {
    this.events.push('begin nested')
    return this.#nested(argsText)
  }

  async endNested(outcome: NestedOutcome): Promise<string> {
    this.events.push(`end nested ${outcome.kind}`)
    if (outcome.kind === 'success') return outcome.resultText
    throw new CatchableError(outcome.message, outcome.data === undefined ? undefined : JSON.parse(outcome.data))
  }
}
