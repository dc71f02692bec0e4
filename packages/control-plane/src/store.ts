/** What the control plane asks of its database: tables of typed records, transactions that are retried on conflict. */
import type { IndexName, Records, TableName } from './records.ts'

export type Stored<Record> = Record & { readonly _id: string }

export interface TableReader<T extends TableName> {
  /** First record whose indexed fields start with `key`. */
  find(index: IndexName<T>, key: readonly IndexKeyPart[]): Promise<Stored<Records[T]> | undefined>
  /** Records whose indexed fields start with `key`, in index order, all unless `limit` says otherwise. */
  list(
    index: IndexName<T>,
    key: readonly IndexKeyPart[],
    options?: { readonly order?: 'asc' | 'desc'; readonly limit?: number },
  ): Promise<readonly Stored<Records[T]>[]>
}

export type IndexKeyPart = string | number | boolean | null

export interface TableWriter<T extends TableName> extends TableReader<T> {
  insert(record: Records[T]): Promise<void>
  patch(id: string, fields: Partial<Records[T]>): Promise<void>
  remove(id: string): Promise<void>
}

export type Reader = { readonly [T in TableName]: TableReader<T> }
export type Writer = { readonly [T in TableName]: TableWriter<T> }

export interface Store {
  /** One consistent snapshot. */
  read<Result>(run: (tables: Reader) => Promise<Result>): Promise<Result>
  /** One serializable transaction, durable when it resolves. `run` may be called again after a conflict: no side effects. */
  mutate<Result>(source: string, run: (tables: Writer) => Promise<Result>): Promise<Result>
}

/** A store and the end of it. */
export type OpenStore = {
  readonly store: Store
  /** Resolves when the storage has failed for good; the store must then be opened again. */
  readonly failed: Promise<Error>
  readonly close: () => Promise<void>
}
