/**
 * The schemas of a push: the app's and one for each component, each in its own namespace. Started together in one
 * transaction, waited for together.
 */
import { randomUUID } from 'node:crypto'
import type { Clock } from '@concave/base'
import {
  type Database,
  evaluateSchema,
  type IndexDiff,
  SchemaDryRun,
  type SchemaProgress,
  startSchemaPush,
  type Transaction,
  waitForSchemas,
} from '@concave/database'
import { type ComponentIds, findComponents, reserveComponents } from '../components/component-rows.ts'
import { type ComponentInstance, listComponents } from '../components/component-tree.ts'
import type { EvaluatedPush } from './push-evaluation.ts'

type Schemas = Pick<EvaluatedPush, 'definitions' | 'tree'>
type Dependencies = { readonly database: Database; readonly clock: Clock }

/** By component path, as it travels through the client. */
export type SchemaChange = {
  /** Of components that were not there. */
  readonly allocatedComponentIds: Readonly<Record<string, string>>
  readonly schemaIds: Readonly<Record<string, string | null>>
  readonly indexDiffs: Readonly<Record<string, IndexDiff>>
}

export type StartedSchemas = {
  readonly change: SchemaChange
  readonly ids: ComponentIds
  /** By schema id: stand in for the rows that a dry run does not have. */
  readonly dryRuns: ReadonlyMap<string, SchemaDryRun>
}

/** Makes everything pending: components that are not there yet, tables, indexes, schemas. */
export async function startSchemas({ database, clock }: Dependencies, schemas: Schemas): Promise<StartedSchemas> {
  const { value } = await database.mutate('system:start_push', async (tx) => {
    const { ids, reserved } = await reserveComponents(tx, schemas.tree)
    const started = await eachComponent(tx, schemas, ids, (schema) =>
      startSchemaPush(tx, { schema, nowMs: clock.nowMs() }),
    )
    return { ids, reserved, started }
  })
  const { ids, reserved, started } = value
  const change = {
    allocatedComponentIds: reserved,
    schemaIds: mapValues(started, ({ schemaId }) => schemaId),
    indexDiffs: mapValues(started, ({ indexDiff }) => indexDiff),
  }
  return { change, ids, dryRuns: new Map() }
}

/** Says what would change. Documents are checked while somebody waits for it, with nothing written. */
export async function trySchemas({ database, clock }: Dependencies, schemas: Schemas): Promise<StartedSchemas> {
  const tx = database.begin('query')
  const ids = await findComponents(tx, schemas.tree)
  const dryRuns = new Map<string, SchemaDryRun>()
  const started = await eachComponent(tx, schemas, ids, async (schema, namespace) => {
    const { indexDiff } = await startSchemaPush(tx, { schema, nowMs: clock.nowMs(), dryRun: true })
    if (schema === null) return { schemaId: null, indexDiff }
    const schemaId = `dry-run:${randomUUID()}`
    dryRuns.set(schemaId, new SchemaDryRun({ database, clock }, schema, namespace))
    return { schemaId, indexDiff }
  })
  const change = {
    allocatedComponentIds: {},
    schemaIds: mapValues(started, ({ schemaId }) => schemaId),
    indexDiffs: mapValues(started, ({ indexDiff }) => indexDiff),
  }
  return { change, ids, dryRuns }
}

/** What each schema would change, for the CLI's warnings (cli-protocol.md §3.7). */
export async function foretellSchemas(database: Database, schemas: Schemas): Promise<unknown> {
  const tx = database.begin('query')
  const ids = await findComponents(tx, schemas.tree)
  const evaluations = await eachComponent(tx, schemas, ids, async (schema, _namespace, { definitionPath }) => ({
    definitionPath,
    ...(await evaluateSchema(tx, schema)),
  }))
  const known = new Set([...listInstances(schemas.tree)].filter(({ path }) => ids.has(path)).map(definitionPathOf))
  const newComponentDefinitions = [...schemas.definitions.keys()].filter((path) => path !== '' && !known.has(path))
  return { componentSchemaEvaluations: Object.fromEntries(evaluations), newComponentDefinitions }
}

/** Long poll over all schemas: answers as soon as one has failed or all are ready, at the latest after `timeoutMs`. */
export async function waitForPush(
  { database, clock }: Dependencies,
  schemaIds: SchemaChange['schemaIds'],
  dryRuns: ReadonlyMap<string, SchemaDryRun> | undefined,
  timeoutMs: number,
): Promise<unknown> {
  const paths = Object.keys(schemaIds)
  const ids = Object.values(schemaIds)
  const answers =
    dryRuns === undefined
      ? await waitForSchemas(database, ids, timeoutMs)
      : await advanceAll(
          clock,
          ids.map((id) => (id === null ? undefined : dryRuns.get(id))),
          timeoutMs,
        )
  const byPath = answers.map((answer, position) => [paths[position] ?? '', answer] as const)
  for (const [componentPath, answer] of byPath) {
    if (answer.type === 'raceDetected') return { type: 'raceDetected' }
    if (answer.type === 'failed') {
      return { type: 'failed', error: answer.error, componentPath, tableName: answer.tableName }
    }
  }
  if (byPath.every(([, { type }]) => type === 'complete')) return { type: 'complete' }
  return { type: 'inProgress', components: Object.fromEntries(byPath.map(([path, answer]) => [path, show(answer)])) }
}

/** Runs `run` in each component's namespace, the app's first; with its schema's text. Results by component path. */
async function eachComponent<T>(
  tx: Transaction,
  { definitions, tree }: Schemas,
  ids: ComponentIds,
  run: (schema: string | null, namespace: string, instance: ComponentInstance) => Promise<T>,
): Promise<ReadonlyMap<string, T>> {
  const results = new Map<string, T>()
  for (const instance of listInstances(tree)) {
    const { path, definitionPath } = instance
    // Nobody has tables in a namespace of that name.
    const namespace = ids.get(path) ?? `not mounted: ${path}`
    const schema = definitions.get(definitionPath)?.schemaText ?? null
    results.set(path, await tx.within(namespace, () => run(schema, namespace, instance)))
  }
  return results
}

async function advanceAll(
  clock: Clock,
  dryRuns: readonly (SchemaDryRun | undefined)[],
  timeoutMs: number,
): Promise<readonly SchemaProgress[]> {
  const deadlineMs = clock.monotonicMs() + timeoutMs
  const answers: SchemaProgress[] = []
  for (const dryRun of dryRuns) {
    const leftMs = Math.max(0, deadlineMs - clock.monotonicMs())
    answers.push((await dryRun?.advance(leftMs)) ?? { type: 'complete' })
  }
  return answers
}

function show(progress: SchemaProgress): unknown {
  if (progress.type !== 'inProgress') return { schemaValidationComplete: true, indexesComplete: 0, indexesTotal: 0 }
  const { schemaValidationComplete, indexesComplete, indexesTotal } = progress
  return { schemaValidationComplete, indexesComplete, indexesTotal }
}

function listInstances(tree: ComponentInstance): readonly ComponentInstance[] {
  return [tree, ...listComponents(tree)]
}

function definitionPathOf({ definitionPath }: ComponentInstance): string {
  return definitionPath
}

function mapValues<T, R>(map: ReadonlyMap<string, T>, convert: (value: T) => R): Readonly<Record<string, R>> {
  return Object.fromEntries([...map].map(([key, value]) => [key, convert(value)]))
}
