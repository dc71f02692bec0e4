/**
 * The reactive, serializable document database of one deployment: snapshots, transactions, the committer with its write
 * log, subscriptions, tables, indexes, schema. Storage engines and JavaScript runtimes are none of its business.
 */
export { Database, type BeginOptions, type DatabaseDependencies } from './database.ts'
export { Transaction, type AccessOptions, type Savepoint, type Scope, type TransactionKind } from './transaction.ts'
export { Document } from './document.ts'
export { QueryCursor, type CursorPage } from './query-cursor.ts'
export type { PageOptions, PageResult } from './pagination.ts'
export { Collection, type FieldValue, type RangeOptions, type StoredRecord } from './collection.ts'
export { InvalidCursor, isDeveloperError } from './developer-error.ts'
export type { BudgetWarning, Metric, Metrics } from './budget.ts'
export { withCommitTs } from './effects.ts'
export { defaultTransactionLimits, systemTransactionLimits, type TransactionLimits } from './transaction-limits.ts'
export { rootNamespace, systemTables, virtualTables, type SystemTable } from './system-tables.ts'
export type { Catalog, IndexEntry, IndexState, TableEntry, TableState } from './catalog.ts'
export { parseSchema, type IndexDefinition, type SchemaDefinition, type TableSchema } from './schema.ts'
export type { SchemaRow, SchemaState } from './loaded-schema.ts'
export {
  finishSchemaPush,
  startSchemaPush,
  type FinishedSchemaPush,
  type IndexDiff,
  type IndexJson,
  type StartedSchemaPush,
} from './schema-push.ts'
export { isSubset } from './validator-subset.ts'
export { SchemaDryRun } from './schema-dry-run.ts'
export {
  evaluateSchema,
  type IndexPrediction,
  type SchemaEvaluation,
  type TablePrediction,
} from './schema-evaluation.ts'
export { getSchemaProgress, waitForSchema, waitForSchemas, type SchemaProgress } from './schema-progress.ts'
export { SchemaWorker } from './schema-worker.ts'
export { RetentionWorker } from './retention-worker.ts'
export { createNamespace } from './bootstrap.ts'
export { deleteNamespace } from './namespace-deletion.ts'
export { deleteTable } from './table-definitions.ts'
export { Committer, type CommitRequest, type Effects, type Committed } from './committer.ts'
export { CommitConflict, CommitterClosed, CommitterFailed, OutOfRetention } from './commit-errors.ts'
export { ReadSet, type Interval } from './read-set.ts'
export type { Snapshot } from './snapshot.ts'
export type { OnInvalidated, Subscription } from './subscriptions.ts'
export { WriteLog } from './write-log.ts'
