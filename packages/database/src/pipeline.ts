import type { Document } from './document.ts'
import { passes } from './filter-expression.ts'
import type { QueryOperator } from './query-json.ts'

/** How many more documents each `limit` operator lets through, in operator order. */
export type Remaining = readonly number[]

/** The operators of a query, applied document by document. */
export class Pipeline {
  readonly #operators: readonly QueryOperator[]
  #remaining: number[]
  readonly hasFilter: boolean

  constructor(operators: readonly QueryOperator[], remaining?: Remaining) {
    this.#operators = operators
    this.#remaining =
      remaining === undefined
        ? operators.flatMap((operator) => (operator.kind === 'limit' ? [operator.limit] : []))
        : [...remaining]
    this.hasFilter = operators.some((operator) => operator.kind === 'filter')
  }

  /** True when some limit lets nothing more through: no further document can come out. */
  get isFull(): boolean {
    return this.#remaining.includes(0)
  }

  get remaining(): Remaining {
    return [...this.#remaining]
  }

  /** At most how many documents can come out still. */
  get capacity(): number {
    return Math.min(...this.#remaining, Number.MAX_SAFE_INTEGER)
  }

  /** Whether `document` comes out. Not to be called when full. */
  accepts(document: Document): boolean {
    let limit = 0
    for (const operator of this.#operators) {
      if (operator.kind === 'filter') {
        if (!passes(operator.expression, document.value)) return false
      } else {
        this.#remaining[limit] = (this.#remaining[limit] as number) - 1
        limit += 1
      }
    }
    return true
  }
}
