/**
 * The reactive, serializable document database of one deployment: snapshots, transactions, the committer with its write
 * log, subscriptions, tables, indexes, schema. Storage engines and JavaScript runtimes are none of its business.
 */
export { Committer, type CommitRequest, type Effects, type Committed } from './committer.ts'
export { ReadSet, type Interval } from './read-set.ts'
export type { Snapshot } from './snapshot.ts'
export type { Subscription } from './subscriptions.ts'
export { WriteLog } from './write-log.ts'
export { Database } from './database.ts'
export { Transaction, type Document } from './transaction.ts'
export { QueryCursor } from './query-cursor.ts'
export { Collection } from './collection.ts'
