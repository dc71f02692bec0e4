import { createLog, systemClock, systemRandom } from '@concave/base'
import { MemoryStorage } from '@concave/storage'
import { decodePatch, decodeValue, type Value } from '@concave/values'

import { Database, type DatabaseDependencies } from './database.ts'
import type { QueryCursor } from './query-cursor.ts'
import type { AccessOptions, Transaction } from './transaction.ts'

/** A database for tests: in memory, quiet. */
export async function openTestDatabase(options: Partial<DatabaseDependencies> = {}): Promise<Database> {
  return Database.open({
    storage: new MemoryStorage(),
    clock: systemClock,
    random: systemRandom,
    log: createLog({ level: 'silent' }),
    ...options,
  })
}

/** A value from wire JSON. */
export function value(json: unknown): Value {
  return decodeValue(json)
}

export function patchOf(json: unknown): ReadonlyMap<string, Value | undefined> {
  return decodePatch(json)
}

/** Runs `run` as one user mutation and waits until it is durable. */
export async function mutate<T>(database: Database, run: (tx: Transaction) => Promise<T>): Promise<T> {
  const tx = database.begin('mutation')
  const result = await run(tx)
  await database.commit(tx, 'test').durable
  return result
}

export async function drain(cursor: QueryCursor, pageRows = 100): Promise<readonly Record<string, unknown>[]> {
  const documents: Record<string, unknown>[] = []
  for (;;) {
    const { rows, done } = await cursor.nextPage(pageRows)
    for (const text of rows) documents.push(JSON.parse(text) as Record<string, unknown>)
    if (done) return documents
  }
}

export function scan(tableName: string, order: 'asc' | 'desc' = 'asc', operators: readonly unknown[] = []): object {
  return { source: { type: 'FullTableScan', tableName, order }, operators }
}

export function indexRange(
  indexName: string,
  range: readonly unknown[],
  order: 'asc' | 'desc' = 'asc',
  operators: readonly unknown[] = [],
): object {
  return { source: { type: 'IndexRange', indexName, range, order }, operators }
}

export async function collect(
  tx: Transaction,
  query: object,
  options: AccessOptions = {},
): Promise<readonly Record<string, unknown>[]> {
  return drain(tx.openCursor(query, options))
}
