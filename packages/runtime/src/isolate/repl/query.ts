/** `ctx.db.query(…)`: builds the query JSON of function-runtime.md §2.2 and reads its results. */
import { decode, encodeOrUndefined } from './values.ts'
import { asyncSyscall, syscall } from './syscalls.ts'

type Builder<T> = Readonly<Record<string, (...args: never[]) => T>>
type Source = Readonly<Record<string, unknown>>

export class Query {
  readonly #table: string
  readonly #source: Source
  readonly #operators: readonly object[]

  constructor(table: string, source: Source = fullScan(table), operators: readonly object[] = []) {
    this.#table = table
    this.#source = source
    this.#operators = operators
  }

  fullTableScan(): Query {
    return new Query(this.#table)
  }

  withIndex(name: string, range?: (q: Builder<unknown>) => unknown): Query {
    const bounds: object[] = []
    const add = (type: string) => (fieldPath: string, value: unknown) => {
      bounds.push({ type, fieldPath, value: encodeOrUndefined(value) })
      return builder
    }
    const builder: Builder<unknown> = { eq: add('Eq'), gt: add('Gt'), gte: add('Gte'), lt: add('Lt'), lte: add('Lte') }
    range?.(builder)
    const indexName = `${this.#table}.${name}`
    return new Query(this.#table, { type: 'IndexRange', indexName, range: bounds, order: null })
  }

  withSearchIndex(name: string, search: (q: Builder<unknown>) => unknown): Query {
    const filters: object[] = []
    const builder: Builder<unknown> = {
      search: (fieldPath: string, value: string) => {
        filters.push({ type: 'Search', fieldPath, value })
        return builder
      },
      eq: (fieldPath: string, value: unknown) => {
        filters.push({ type: 'Eq', fieldPath, value: encodeOrUndefined(value) })
        return builder
      },
    }
    search(builder)
    return new Query(this.#table, { type: 'Search', indexName: `${this.#table}.${name}`, filters })
  }

  order(order: 'asc' | 'desc'): Query {
    return new Query(this.#table, { ...this.#source, order }, this.#operators)
  }

  filter(predicate: (q: typeof expressions) => unknown): Query {
    return this.#with({ filter: toExpression(predicate(expressions)) })
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void> {
    const query = { source: this.#source, operators: this.#operators }
    const { queryId } = syscall('1.0/queryStream', { query }) as { queryId: number }
    try {
      for (;;) {
        const { value, done } = (await asyncSyscall('1.0/queryStreamNext', { queryId })) as {
          value: unknown
          done: boolean
        }
        if (done) return
        yield decode(value)
      }
    } finally {
      syscall('1.0/queryCleanup', { queryId })
    }
  }

  async collect(): Promise<unknown[]> {
    const documents: unknown[] = []
    for await (const document of this) documents.push(document)
    return documents
  }

  async take(limit: number): Promise<unknown[]> {
    return await this.#with({ limit }).collect()
  }

  async first(): Promise<unknown> {
    const [document] = await this.take(1)
    return document ?? null
  }

  async unique(): Promise<unknown> {
    const [document, another] = await this.take(2)
    if (another !== undefined) {
      const ids = [document, another].map((found) => (found as { _id: string })._id)
      throw new Error(
        `unique() query returned more than one result from table ${this.#table}:\n [${ids.join(', ')}, ...]`,
      )
    }
    return document ?? null
  }

  async count(): Promise<unknown> {
    return await asyncSyscall('1.0/count', { table: this.#table })
  }

  async paginate(options: Readonly<Record<string, unknown>>): Promise<unknown> {
    const { cursor = null, endCursor = null, numItems, maximumRowsRead = null, maximumBytesRead = null } = options
    const page = (await asyncSyscall('1.0/queryPage', {
      query: { source: this.#source, operators: this.#operators },
      cursor,
      endCursor,
      pageSize: numItems,
      maximumRowsRead,
      maximumBytesRead,
    })) as { readonly page: unknown[] }
    return { ...page, page: page.page.map(decode) }
  }

  #with(operator: object): Query {
    return new Query(this.#table, this.#source, [...this.#operators, operator])
  }
}

function fullScan(tableName: string): Source {
  return { type: 'FullTableScan', tableName, order: null }
}

/** A part of a filter, as against a value that stands for itself. */
class Expression {
  readonly json: object
  constructor(json: object) {
    this.json = json
  }
}

function toExpression(value: unknown): object {
  return value instanceof Expression ? value.json : { $literal: encodeOrUndefined(value) }
}

function operator(name: string) {
  return (...operands: unknown[]) => new Expression({ [`$${name}`]: operands.map(toExpression) })
}

const expressions = {
  field: (path: string) => new Expression({ $field: path }),
  not: (operand: unknown) => new Expression({ $not: toExpression(operand) }),
  neg: (operand: unknown) => new Expression({ $neg: toExpression(operand) }),
  eq: operator('eq'),
  neq: operator('neq'),
  lt: operator('lt'),
  lte: operator('lte'),
  gt: operator('gt'),
  gte: operator('gte'),
  add: operator('add'),
  sub: operator('sub'),
  mul: operator('mul'),
  div: operator('div'),
  mod: operator('mod'),
  and: operator('and'),
  or: operator('or'),
} as const
