/**
 * The `_system/…` functions that the CLI and the dashboard run over the sync protocol or HTTP (sync-and-http.md §6). Each
 * reads through a transaction, so it is live like any other query.
 */
import { BadRequest } from '@concave/base'
import type { Transaction } from '@concave/database'
import { displayFunctionPath, type FunctionPath } from '@concave/protocol'
import type { UdfType } from '@concave/runtime'
import { decodeValue, parseValue, type Value } from '@concave/values'
import { z } from 'zod'
import { requireMounted } from '../components/mounted.ts'
import { FunctionError } from '../functions/function-error.ts'
import type { FileStore } from '../files/file-store.ts'
import type { CodeRegistry } from '../functions/code-registry.ts'
import { wrongKindMessage } from '../functions/function-host.ts'
import { httpModulePath } from '../functions/http-routes.ts'
import { deploymentLimits } from '../limits.ts'
import { authProviders, environmentVariables } from '../records.ts'
import { componentFunctions, findNamespace } from './component-functions.ts'
import { fileMutations, fileQueries } from './file-functions.ts'
import { listScheduleFunctions } from './schedule-functions.ts'
import { define, object, pageLimits, paginationOpts, scan, type SystemFunction } from './system-function.ts'

const noArgs = z.looseObject({})
const tableArgs = z.looseObject({ tableName: z.string() })
const tableDataArgs = z.looseObject({
  table: z.string(),
  order: z.enum(['asc', 'desc']).default('asc'),
  paginationOpts: paginationOpts.optional(),
})
const tablesArgs = z.looseObject({ paginationOpts: paginationOpts.optional() })

export class SystemFunctions {
  readonly #functions: ReadonlyMap<string, SystemFunction>
  readonly #mutations: ReadonlyMap<string, SystemFunction>

  constructor(deps: {
    readonly registry: CodeRegistry
    readonly files: FileStore
    readonly url: string
    readonly siteUrl: string
  }) {
    const { registry, files, url, siteUrl } = deps
    this.#mutations = new Map(fileMutations(files))
    const builtIn: Readonly<Record<string, string>> = { CONVEX_CLOUD_URL: url, CONVEX_SITE_URL: siteUrl }
    this.#functions = new Map<string, SystemFunction>([
      ...fileQueries(files),
      ...listScheduleFunctions(),
      ...componentFunctions(registry),
      ['_system/cli/tables', define(tablesArgs, listTables)],
      ['_system/cli/tableData', define(tableDataArgs, readTableData)],
      [
        '_system/cli/tableSize',
        define(tableArgs, async (tx, { tableName }) => await tx.count(tableName, dataScope(tableName))),
      ],
      ['_system/cli/queryTable', define(tableArgs, watchTable)],
      ['_system/cli/modules:apiSpec', define(noArgs, async (tx) => await readApiSpec(tx, registry))],
      ['_system/cli/convexUrl:cloudUrl', define(noArgs, async () => url)],
      ['_system/cli/queryEnvironmentVariables', define(noArgs, listVariableRows)],
      [
        '_system/cli/queryEnvironmentVariables:get',
        define(z.looseObject({ name: z.string() }), async (tx, { name }) => {
          const row = await environmentVariables.first(tx, 'by_name', [name])
          const value = row?.value ?? (Object.hasOwn(builtIn, name) ? builtIn[name] : undefined)
          return value === undefined ? null : object({ name, value })
        }),
      ],
      [
        '_system/cli/environmentVariables',
        define(noArgs, async (tx) => {
          const rows = await environmentVariables.byIndex(tx, 'by_name', [])
          return object(Object.fromEntries(rows.map(({ name, value }) => [name, value])))
        }),
      ],
      ['_system/frontend/getSchemas', define(noArgs, readSchemas)],
      ['_system/frontend/convexCloudUrl', define(noArgs, async () => url)],
      ['_system/frontend/convexSiteUrl', define(noArgs, async () => siteUrl)],
      ['_system/frontend/getVersion', define(noArgs, async (tx) => (await registry.load(tx)).root.code.serverVersion)],
      ['_system/frontend/listEnvironmentVariables', define(noArgs, listVariableRows)],
      [
        '_system/frontend/listAuthProviders',
        define(noArgs, async (tx) =>
          (await authProviders.list(tx)).map(({ evaluatedWith: _version, ...row }) => object(row)),
        ),
      ],
    ])
  }

  isSystemPath(path: FunctionPath): boolean {
    return path.module.startsWith('_system/')
  }

  kindOf(path: FunctionPath): UdfType {
    return this.#mutations.has(displayFunctionPath(path)) ? 'mutation' : 'query'
  }

  /** Throws a `FunctionError` for unknown names and bad arguments. Access is the caller's business. */
  async run(tx: Transaction, path: FunctionPath, args: unknown, componentPath = ''): Promise<Value> {
    const name = displayFunctionPath(path)
    const run = (tx.kind === 'query' ? this.#functions : this.#mutations).get(name)
    if (run === undefined && (this.#functions.has(name) || this.#mutations.has(name))) {
      throw new FunctionError(wrongKindMessage(path, tx.kind, this.kindOf(path)))
    }
    if (run === undefined) {
      throw new FunctionError(`Could not find function for '${name}'. This version of Concave does not have it.`)
    }
    const namespace = await findNamespace(tx, args, componentPath)
    return await tx.within(namespace, async () => {
      if (tx.kind === 'mutation') await requireMounted(tx)
      return await run(tx, args ?? {})
    })
  }
}

/** Tables of the app and the virtual ones; nothing private. */
function dataScope(table: string): { readonly scope: 'user' | 'system' } {
  return { scope: table.startsWith('_') ? 'system' : 'user' }
}

async function listTables(tx: Transaction, args: z.infer<typeof tablesArgs>): Promise<Value> {
  const names = await userTableNames(tx)
  const tables = names.map((name) => object({ name }))
  if (args.paginationOpts === undefined) return tables.slice(0, deploymentLimits.maxUnpaginatedRows)
  return object({ page: tables, isDone: true, continueCursor: 'end' })
}

/** In name order. Depends on every table row. */
async function userTableNames(tx: Transaction): Promise<readonly string[]> {
  const names: string[] = []
  for (const { name, state, namespace } of await scan(tx, '_tables', { scope: 'private' })) {
    if (namespace !== tx.namespace) continue
    if (typeof name === 'string' && !name.startsWith('_') && state === 'active') names.push(name)
  }
  return names.sort()
}

async function readTableData(tx: Transaction, args: z.infer<typeof tableDataArgs>): Promise<Value> {
  const { table, order, paginationOpts: page } = args
  const query = { source: { type: 'FullTableScan', tableName: table, order }, operators: [] }
  if (page === undefined) {
    return await scan(tx, table, { ...dataScope(table), order, limit: deploymentLimits.maxUnpaginatedRows })
  }
  const result = await tx.paginate(
    query,
    { cursor: page.cursor, endCursor: page.endCursor ?? null, numItems: page.numItems, journal: null, ...pageLimits },
    dataScope(table),
  )
  return object({
    page: result.page.map((text) => parseValue(text)),
    isDone: result.isDone,
    continueCursor: result.continueCursor,
  })
}

/** A number that differs whenever the table changes: the snapshot's own timestamp, with the table in the read set. */
async function watchTable(tx: Transaction, args: z.infer<typeof tableArgs>): Promise<Value> {
  const table = tx.findTable(args.tableName)
  const byId = table?.indexes[0]
  if (byId !== undefined) tx.reads.addInterval(byId.index, new Uint8Array(0), undefined)
  return Number(tx.beginTs)
}

async function listVariableRows(tx: Transaction): Promise<Value> {
  const rows = await environmentVariables.byIndex(tx, 'by_name', [])
  return rows.map(({ _id, _creationTime, name, value }) => object({ _id, _creationTime, name, value }))
}

async function readApiSpec(tx: Transaction, registry: CodeRegistry): Promise<Value> {
  // Nothing of a component that is not mounted.
  const analyzed = [...((await registry.load(tx)).findById(tx.namespace)?.code.modules ?? [])]
  const routes = analyzed.find(([path]) => path === httpModulePath)?.[1].httpRoutes ?? []
  const httpActions = routes.map(({ method, path }) => object({ functionType: 'HttpAction', method, path }))
  const functions = analyzed.flatMap(([path, module]) =>
    module.functions.map((found) =>
      object({
        identifier: `${path}:${found.name}`,
        functionType: found.udfType,
        visibility: object({ kind: found.visibility?.kind ?? 'internal' }),
        args: decodeValidator(found.args),
        returns: decodeValidator(found.returns),
      }),
    ),
  )
  return [...functions, ...httpActions]
}

/** Validators are JSON text; they may hold `$`-forms of literals, which is what the wire form is for. */
function decodeValidator(text: string | null): Value {
  const json: unknown = JSON.parse(text ?? 'null')
  return decodeValue(json ?? { type: 'any' })
}

/** The active schema, and the one being pushed, as JSON text. */
async function readSchemas(tx: Transaction): Promise<Value> {
  const schemas: Record<string, Value> = {}
  for (const { state, schema } of await scan(tx, '_schemas', { scope: 'private' })) {
    const name = typeof state === 'object' && state !== null && 'state' in state ? state['state'] : undefined
    if (typeof schema !== 'string') throw new BadRequest('InvalidSchemaRow', 'A stored schema has no text.')
    if (name === 'active') schemas['active'] = schema
    if (name === 'pending' || name === 'validated') schemas['inProgress'] = schema
  }
  return object(schemas)
}
