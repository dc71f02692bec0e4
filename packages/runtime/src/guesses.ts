import type { ExecuteRequest } from './execution.ts'

type Record = {
  /** Calls that still have to wait for their reads. */
  pause: number
  /** Length of the next pause. */
  nextPause: number
  rightInARow: number
}

type FunctionName = Pick<ExecuteRequest, 'modulePath' | 'exportName'>

/**
 * Which functions guess well what they will read. A wrong guess costs a second run: the function then waits for its
 * reads for a while, longer each time, until it has guessed right often enough.
 */
export class Guesses {
  readonly #records = new Map<string, Record>()

  /** To be called once per call: pauses are counted in calls. */
  mayGuess(name: FunctionName): boolean {
    const record = this.#records.get(textOf(name))
    if (record === undefined || record.pause === 0) return true
    record.pause -= 1
    return false
  }

  /** How a call that guessed went. */
  record(name: FunctionName, wasRight: boolean): void {
    const key = textOf(name)
    const record = this.#records.get(key)
    if (record === undefined) {
      if (!wasRight) this.#records.set(key, { pause: firstPause, nextPause: 2 * firstPause, rightInARow: 0 })
      return
    }
    if (!wasRight) {
      record.pause = record.nextPause
      record.nextPause = Math.min(2 * record.nextPause, longestPause)
      record.rightInARow = 0
      return
    }
    record.rightInARow += 1
    if (record.rightInARow >= record.nextPause) this.#records.delete(key)
  }
}

const firstPause = 8
const longestPause = 1024

function textOf({ modulePath, exportName }: FunctionName): string {
  return `${modulePath}:${exportName}`
}
