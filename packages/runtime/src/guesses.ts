import type { ExecuteRequest } from './execution.ts'

type Record = {
  /** Share of wrong guesses, the latest counting most: from 0 to 1. */
  wrongness: number
  /** Calls that had to wait for their reads since the last guess. */
  skipped: number
}

export type FunctionName = Pick<ExecuteRequest, 'modulePath' | 'exportName'>

/**
 * Which functions guess well what they will read. A wrong guess costs a second run, a right one saves the waiting: a
 * function guesses as long as most of its guesses are right, and else tries now and then.
 */
export class Guesses {
  readonly #records = new Map<string, Record>()

  mayGuess(name: FunctionName): boolean {
    const record = this.#records.get(textOf(name))
    if (record === undefined || record.wrongness < wrongnessMax) return true
    record.skipped += 1
    if (record.skipped < trialInterval) return false
    record.skipped = 0
    return true
  }

  /** How a call that guessed went. */
  record(name: FunctionName, wasRight: boolean): void {
    const key = textOf(name)
    const record = this.#records.get(key)
    if (record !== undefined) record.wrongness += (Number(!wasRight) - record.wrongness) * weightOfLatest
    else if (!wasRight) this.#records.set(key, { wrongness: weightOfLatest, skipped: 0 })
  }
}

const wrongnessMax = 0.3
const weightOfLatest = 0.1
const trialInterval = 16

function textOf({ modulePath, exportName }: FunctionName): string {
  return `${modulePath}:${exportName}`
}
