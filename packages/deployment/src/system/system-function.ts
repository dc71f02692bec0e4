/** What system functions are made of: parsed arguments, values, whole tables. */
import type { Transaction } from '@concave/database'
import { parseValue, type Value, type ValueObject } from '@concave/values'
import { z } from 'zod'
import { FunctionError } from '../functions/function-error.ts'

/** System functions page with limits of their own (database.md §10). */
export const pageLimits = { maximumRowsRead: 10_000, maximumBytesRead: 5_000_000 } as const
const scanPageRows = 100

type Scope = 'user' | 'system' | 'private'
export type SystemFunction = (tx: Transaction, args: unknown) => Promise<Value>

export const paginationOpts = z.object({
  cursor: z.string().nullable(),
  numItems: z.number(),
  endCursor: z.string().nullish(),
})

export function define<Schema extends z.ZodType>(
  schema: Schema,
  run: (tx: Transaction, args: z.infer<Schema>) => Promise<Value>,
): SystemFunction {
  return async (tx, args) => {
    const parsed = schema.safeParse(args)
    if (parsed.success) return await run(tx, parsed.data)
    const issue = parsed.error.issues[0]
    throw new FunctionError(
      `ArgumentValidationError: ${issue?.message ?? 'invalid arguments'} at "${issue?.path.join('.') ?? ''}".`,
    )
  }
}

export function object(fields: Readonly<Record<string, Value>>): ValueObject {
  return Object.assign(Object.create(null) as Record<string, Value>, fields)
}

/** Documents of a table, oldest first unless `order` says otherwise. */
export async function scan(
  tx: Transaction,
  table: string,
  options: { readonly scope: Scope; readonly order?: 'asc' | 'desc'; readonly limit?: number },
): Promise<readonly ValueObject[]> {
  const { scope, order = 'asc', limit } = options
  const source = { type: 'FullTableScan', tableName: table, order }
  const cursor = tx.openCursor({ source, operators: limit === undefined ? [] : [{ limit }] }, { scope })
  const documents: ValueObject[] = []
  for (;;) {
    const { rows, done } = await cursor.nextPage(scanPageRows)
    for (const text of rows) documents.push(parseValue(text) as ValueObject)
    if (done) break
  }
  cursor.close()
  return documents
}
