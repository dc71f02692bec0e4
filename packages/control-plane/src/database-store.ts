/** The control plane's records as documents of a database: the same engine, storage and backup as deployments have. */
import {
  Collection,
  Database,
  RetentionWorker,
  type DatabaseDependencies,
  type SystemTable,
  type Transaction,
} from '@concave/database'
import { tableIndexes, type Records, type TableName } from './records.ts'
import type { OpenStore, Store, TableWriter, Writer } from './store.ts'

/** Table numbers are part of every document id: never change or reuse one. */
const tableNumbers: Readonly<Record<TableName, number>> = {
  counters: 601,
  members: 602,
  teams: 603,
  teamMembers: 604,
  projects: 605,
  deployments: 606,
  removals: 607,
  accessTokens: 608,
  claimLinks: 609,
  expiries: 610,
  defaultVariables: 611,
  creations: 612,
  localDeployments: 613,
}

const tableNames = Object.keys(tableNumbers) as readonly TableName[]

/** A table or an index added here appears in existing databases at the next open. */
const systemTables: readonly SystemTable[] = tableNames.map((name) => ({
  name: `_${name}`,
  number: tableNumbers[name],
  indexes: Object.entries(tableIndexes[name]).map(([index, fields]) => ({ name: index, fields })),
}))

/** Opens `storage`, which the returned store closes. */
export async function openDatabaseStore(deps: Omit<DatabaseDependencies, 'tables'>): Promise<OpenStore> {
  const { storage, clock, random, log } = deps
  const database = await Database.open({ storage, clock, random, log, tables: systemTables })
  const store: Store = {
    read: async (run) => (await database.read((transaction) => run(openTables(transaction)))).value,
    mutate: async (source, run) =>
      (await database.mutate(`control-plane:${source}`, (transaction) => run(openTables(transaction)))).value,
  }
  const retention = RetentionWorker.start({ database, clock, log })
  const close = async (): Promise<void> => {
    await retention.stop()
    await database.close()
  }
  return { store, failed: database.failed, close }
}

const collections = Object.fromEntries(tableNames.map((name) => [name, new Collection(`_${name}`)])) as {
  readonly [T in TableName]: Collection<Records[T]>
}

function openTables(transaction: Transaction): Writer {
  return {
    counters: openTable(transaction, collections.counters),
    members: openTable(transaction, collections.members),
    teams: openTable(transaction, collections.teams),
    teamMembers: openTable(transaction, collections.teamMembers),
    projects: openTable(transaction, collections.projects),
    deployments: openTable(transaction, collections.deployments),
    removals: openTable(transaction, collections.removals),
    accessTokens: openTable(transaction, collections.accessTokens),
    claimLinks: openTable(transaction, collections.claimLinks),
    expiries: openTable(transaction, collections.expiries),
    defaultVariables: openTable(transaction, collections.defaultVariables),
    creations: openTable(transaction, collections.creations),
    localDeployments: openTable(transaction, collections.localDeployments),
  }
}

function openTable<T extends TableName>(transaction: Transaction, collection: Collection<Records[T]>): TableWriter<T> {
  return {
    find: async (index, key) => (await collection.first(transaction, index, key)) ?? undefined,
    list: async (index, key, options = {}) => await collection.byIndex(transaction, index, key, options),
    insert: async (record) => {
      await collection.insert(transaction, record)
    },
    patch: async (id, fields) => await collection.patch(transaction, id, fields),
    remove: async (id) => await collection.delete(transaction, id),
  }
}
