/**
 * The tables that hold our own records, as data. Names, numbers and index names are database.md §2.4 and §10: system
 * functions of the dashboard and the CLI read them. A table or index added here appears in existing databases at the
 * next open.
 */
export type SystemTable = {
  readonly name: string
  readonly number: number
  readonly indexes: readonly { readonly name: string; readonly fields: readonly string[] }[]
  /** Counted without reading: how many documents have a value in this index's first field. Of one kind of table only. */
  readonly countedIndex?: string
}

/** Namespace of the app itself; components have namespaces of their own. */
export const rootNamespace = ''

export const systemTables: readonly SystemTable[] = [
  {
    name: '_tables',
    number: 513,
    indexes: [
      { name: 'by_name', fields: ['name'] },
      { name: 'by_namespace_and_name', fields: ['namespace', 'name'] },
      { name: 'by_namespace_and_number', fields: ['namespace', 'number'] },
    ],
  },
  { name: '_index', number: 514, indexes: [{ name: 'by_table_id', fields: ['table_id'] }] },
  { name: '_db', number: 520, indexes: [] },
  { name: '_backend_info', number: 517, indexes: [] },
  { name: '_udf_config', number: 518, indexes: [] },
  { name: '_auth', number: 519, indexes: [] },
  { name: '_modules', number: 521, indexes: [{ name: 'by_path', fields: ['path'] }] },
  { name: '_source_packages', number: 524, indexes: [] },
  { name: '_environment_variables', number: 525, indexes: [{ name: 'by_name', fields: ['name'] }] },
  {
    name: '_deployment_audit_log',
    number: 527,
    indexes: [{ name: 'by_action_and_creation_time', fields: ['action'] }],
  },
  {
    name: '_session_requests',
    number: 529,
    indexes: [{ name: 'by_session_id_and_request_id', fields: ['sessionId', 'requestId'] }],
  },
  { name: '_cron_jobs', number: 531, indexes: [{ name: 'by_name', fields: ['name'] }] },
  { name: '_schemas', number: 532, indexes: [{ name: 'by_state', fields: ['state'] }] },
  { name: '_cron_job_logs', number: 533, indexes: [{ name: 'by_name_and_ts', fields: ['name', 'ts'] }] },
  { name: '_log_sinks', number: 535, indexes: [] },
  { name: '_backend_state', number: 536, indexes: [] },
  {
    name: '_scheduled_jobs',
    number: 539,
    indexes: [
      { name: 'by_udf_path_and_next_event_ts', fields: ['udfPath', 'nextTs'] },
      { name: 'by_next_ts', fields: ['nextTs'] },
      { name: 'by_completed_ts', fields: ['completedTs'] },
    ],
    countedIndex: 'by_next_ts',
  },
  {
    name: '_file_storage',
    number: 540,
    indexes: [
      { name: 'by_storage_id', fields: ['storageId'] },
      { name: 'by_storage_key', fields: ['storageKey'] },
    ],
  },
  { name: '_component_definitions', number: 543, indexes: [] },
  { name: '_components', number: 544, indexes: [] },
  { name: '_function_handles', number: 545, indexes: [] },
  { name: '_canonical_urls', number: 546, indexes: [] },
  {
    name: '_cron_next_run',
    number: 547,
    indexes: [
      { name: 'by_cron_job_id', fields: ['cronJobId'] },
      { name: 'by_next_ts', fields: ['nextTs'] },
    ],
  },
  { name: '_index_backfills', number: 548, indexes: [{ name: 'by_index_id', fields: ['indexId'] }] },
  { name: '_schema_validation_progress', number: 549, indexes: [{ name: 'by_schema_id', fields: ['schemaId'] }] },
  { name: '_scheduled_job_args', number: 550, indexes: [] },
  // Tables that only Concave has are numbered from 640, out of the way of the official ones.
  { name: '_signing_keys', number: 640, indexes: [] },
]

/** System tables that every component has for itself; the others exist once per deployment. */
export const componentTables: ReadonlySet<string> = new Set([
  '_cron_jobs',
  '_cron_job_logs',
  '_cron_next_run',
  '_file_storage',
  '_scheduled_job_args',
  '_scheduled_jobs',
  '_schemas',
])

/** Tables that functions see through `db.system`, and the tables behind them (same number). */
export const virtualTables: ReadonlyMap<string, string> = new Map([
  ['_storage', '_file_storage'],
  ['_scheduled_functions', '_scheduled_jobs'],
])
