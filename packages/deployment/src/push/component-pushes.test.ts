// Pushes of components on a database, without code: what start and finish make of namespaces.
import { createLog, systemClock, systemRandom } from '@concave/base'
import { Collection, Database, SchemaWorker } from '@concave/database'
import { MemoryStorage } from '@concave/storage'
import { createValueObject } from '@concave/values'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deleteComponent } from '../components/component-deletion.ts'
import { listMounted } from '../components/component-rows.ts'
import { buildComponentTree } from '../components/component-tree.ts'
import { fileTables } from '../files/file-rows.ts'
import { cronJobs, type CronDefinition } from '../scheduler/cron-jobs.ts'
import { switchComponents, type ComponentSwitch } from './component-switch.ts'
import type { EvaluatedDefinition, EvaluatedPush } from './push-evaluation.ts'
import { foretellSchemas, startSchemas, type StartedSchemas, trySchemas, waitForPush } from './schema-change.ts'

type Push = Pick<EvaluatedPush, 'definitions' | 'tree'>
type Sketch = {
  readonly uses?: readonly (readonly [name: string, definitionPath: string])[]
  readonly nameType?: string
  readonly crons?: readonly string[]
}

function schemaText(nameType: string): string {
  const indexes = [{ indexDescriptor: 'by_name', fields: ['name'] }]
  const documentType = { type: 'object', value: { name: { fieldType: { type: nameType }, optional: false } } }
  return JSON.stringify({ tables: [{ tableName: 'users', indexes, documentType }], schemaValidation: true })
}

function cron(name: string): CronDefinition {
  return { name, path: { module: 'm.js', name: 'tick' }, args: '{}', schedule: { type: 'interval', seconds: 60n } }
}

function pushOf(sketches: Readonly<Record<string, Sketch>>): Push {
  const definitions = new Map(
    Object.entries(sketches).map(([path, { uses = [], nameType, crons = [] }]) => {
      const evaluated: EvaluatedDefinition = {
        serverVersion: '1.48.0',
        codeVersion: path,
        importSeed: '',
        importTimeMs: 0,
        rows: [],
        requirements: { nodeVersion: undefined, packages: [] },
        modules: new Map(),
        crons: crons.map(cron),
        definition: {
          definitionType: { type: path === '' ? 'app' : 'childComponent' },
          childComponents: uses.map(([name, definitionPath]) => ({ name, path: definitionPath })),
          httpMounts: {},
        },
        schemaText: nameType === undefined ? undefined : schemaText(nameType),
      }
      return [path, evaluated] as const
    }),
  )
  return { definitions, tree: buildComponentTree(definitions) }
}

const twice = {
  '': {
    uses: [
      ['one', 'x'],
      ['two', 'x'],
    ],
  },
  x: { nameType: 'string', crons: ['tick'] },
} as const
const nothing = { '': {} } as const

let database: Database
let worker: SchemaWorker
const clock = systemClock
const log = createLog({ level: 'silent' })

beforeEach(async () => {
  database = await Database.open({ storage: new MemoryStorage(), clock, random: systemRandom, log, tables: fileTables })
  worker = SchemaWorker.start({ database, clock, log })
})
afterEach(async () => {
  await worker.stop()
  await database.close()
})

const start = async (push: Push): Promise<StartedSchemas> => await startSchemas({ database, clock }, push)
const wait = async ({ change, dryRuns }: StartedSchemas): Promise<unknown> =>
  await waitForPush({ database, clock }, change.schemaIds, dryRuns.size > 0 ? dryRuns : undefined, 10_000)

async function finish(push: Push, { ids, change }: StartedSchemas): Promise<ReadonlyMap<string, ComponentSwitch>> {
  const { value } = await database.mutate('test', (tx) =>
    switchComponents(tx, push, { ids, schemaIds: change.schemaIds }, clock.nowMs()),
  )
  return value
}

/** Types of what a push changes, by component path. */
async function pushAll(sketches: Readonly<Record<string, Sketch>>): Promise<Readonly<Record<string, string>>> {
  const push = pushOf(sketches)
  const started = await start(push)
  expect(await wait(started)).toEqual({ type: 'complete' })
  return Object.fromEntries([...(await finish(push, started))].map(([path, { diffType }]) => [path, diffType]))
}

async function mounted(): Promise<readonly (readonly [path: string, state: string])[]> {
  const { value } = await database.read(listMounted)
  return value.map(({ path, state }) => [path, state])
}

async function idOf(path: string): Promise<string> {
  const { value } = await database.read(listMounted)
  return value.find((component) => component.path === path)?._id ?? ''
}

function namespaces(): ReadonlySet<string> {
  return new Set(
    Array.from(database.catalog.tables())
      .filter(({ state }) => state === 'active')
      .map(({ namespace }) => namespace),
  )
}

async function insertUser(namespace: string, name: string): Promise<void> {
  const user = Object.assign(createValueObject(), { name })
  await database.mutate('test', (tx) => tx.insert('users', user), { namespace })
}

async function countUsers(namespace: string): Promise<number> {
  return (await database.read((tx) => tx.count('users'), { namespace })).value
}

describe('a push of components', () => {
  it('creates, keeps, unmounts and remounts them with their tables', async () => {
    expect(await pushAll(twice)).toEqual({ '': 'modify', one: 'create', two: 'create' })
    const one = await idOf('one')
    await insertUser(one, 'kept')
    expect(await pushAll(twice)).toEqual({ '': 'modify', one: 'modify', two: 'modify' })
    expect(await pushAll(nothing)).toEqual({ '': 'modify', one: 'unmount', two: 'unmount' })
    expect(await mounted()).toEqual([
      ['one', 'unmounted'],
      ['two', 'unmounted'],
    ])
    expect(await pushAll(nothing)).toEqual({ '': 'modify' })
    const again = { '': { uses: [['one', 'y']] }, y: { nameType: 'string' } } as const
    expect(await pushAll(again)).toEqual({ '': 'modify', one: 'remount' })
    expect(await idOf('one')).toBe(one)
    expect(await countUsers(one)).toBe(1)
    expect(await countUsers(await idOf('two'))).toBe(0)
  })

  it('keeps cron jobs with the component, as long as it is mounted', async () => {
    const names = async (namespace: string): Promise<readonly string[]> =>
      (await database.read((tx) => cronJobs.list(tx), { namespace })).value.map(({ name }) => name)
    await pushAll({ ...twice, '': { ...twice[''], crons: ['own'] } })
    expect([await names(''), await names(await idOf('one'))]).toEqual([['own'], ['tick']])
    await pushAll(nothing)
    expect([await names(''), await names(await idOf('one'))]).toEqual([[], []])
  })

  it('announces what is new, and nothing twice', async () => {
    const first = await start(pushOf(twice))
    expect(Object.keys(first.change.allocatedComponentIds)).toEqual(['one', 'two'])
    expect(Object.keys(first.change.schemaIds)).toEqual(['', 'one', 'two'])
    expect(first.change.indexDiffs['one']?.added_indexes).toMatchObject([{ name: 'users.by_name' }])
    await wait(first)
    await finish(pushOf(twice), first)
    const second = await start(pushOf(twice))
    expect(second.change.allocatedComponentIds).toEqual({})
    expect(second.change.indexDiffs['one']?.added_indexes).toEqual([])
  })

  it('foretells which definitions are new', async () => {
    const schemas = pushOf({ ...twice, '': { uses: [...twice[''].uses, ['three', 'y']] }, y: {} })
    expect(await foretellSchemas(database, schemas)).toMatchObject({ newComponentDefinitions: ['x', 'y'] })
    await pushAll(twice)
    expect(await foretellSchemas(database, schemas)).toMatchObject({
      newComponentDefinitions: ['y'],
      componentSchemaEvaluations: {
        '': {},
        one: { definitionPath: 'x', indexes: [{ change: 'identical' }] },
        three: {},
      },
    })
  })
})

describe('a push that is not finished', () => {
  it('mounts nothing, and is taken over by the next one', async () => {
    const abandoned = await start(pushOf(twice))
    expect(await mounted()).toEqual([])
    const next = await start(pushOf(twice))
    expect(next.ids).toEqual(abandoned.ids)
    expect(next.change.allocatedComponentIds).toEqual(abandoned.change.allocatedComponentIds)
  })

  it('leaves nothing behind once another one is finished', async () => {
    const abandoned = await start(pushOf(twice))
    expect(namespaces().size).toBe(3)
    await pushAll(nothing)
    expect(namespaces()).toEqual(new Set(['']))
    await expect(finish(pushOf(twice), abandoned)).rejects.toMatchObject({ code: 'RaceDetected' })
    expect(await pushAll(twice)).toEqual({ '': 'modify', one: 'create', two: 'create' })
  })

  it('writes nothing when it is only tried', async () => {
    const tried = await trySchemas({ database, clock }, pushOf(twice))
    expect(tried.change.indexDiffs['two']?.added_indexes).toHaveLength(1)
    expect(await wait(tried)).toEqual({ type: 'complete' })
    expect(namespaces()).toEqual(new Set(['']))
  })
})

describe('documents that a new schema does not take', () => {
  const wrong = { ...twice, x: { nameType: 'number' } } as const
  const failure = { type: 'failed', componentPath: 'two', tableName: 'users' }

  beforeEach(async () => {
    await pushAll(twice)
    await insertUser(await idOf('two'), 'text')
  })

  it('are told with their component', async () => {
    const started = await start(pushOf(wrong))
    expect(await wait(started)).toMatchObject(failure)
    await expect(finish(pushOf(wrong), started)).rejects.toMatchObject({ code: 'SchemaAlreadyFailed' })
    await insertUser(await idOf('two'), 'the old schema is in force')
  })

  it('are found when it is only tried', async () => {
    expect(await wait(await trySchemas({ database, clock }, pushOf(wrong)))).toMatchObject(failure)
  })

  it('do not fail a push that another one has overtaken', async () => {
    const started = await start(pushOf(wrong))
    await start(pushOf(twice))
    expect(await wait(started)).toEqual({ type: 'raceDetected' })
  })
})

describe('deleting a component', () => {
  const nested = { '': { uses: [['one', 'x']] }, x: { uses: [['below', 'y']] }, y: { nameType: 'string' } } as const

  it('takes what is mounted below it, and is refused while it is mounted', async () => {
    await pushAll(nested)
    const one = await idOf('one')
    await insertUser(await idOf('one/below'), 'gone')
    await expect(deleteComponent(database, one)).rejects.toMatchObject({ code: 'ComponentMustBeUnmounted' })
    await pushAll(nothing)
    await deleteComponent(database, one)
    expect(await mounted()).toEqual([])
    expect(namespaces()).toEqual(new Set(['']))
    await expect(deleteComponent(database, one)).rejects.toMatchObject({ code: 'ComponentNotFound' })
    expect(await pushAll(nested)).toEqual({ '': 'modify', one: 'create', 'one/below': 'create' })
    expect(await countUsers(await idOf('one/below'))).toBe(0)
  })

  it('gives up the contents of its files', async () => {
    await pushAll(nested)
    const one = await idOf('one')
    const files = new Collection<object>('_file_storage')
    for (let i = 0; i < 450; i += 1) {
      const row = { storageId: `${i}`, storageKey: `key ${i}`, sha256: '', size: 1 }
      await database.mutate('test', (tx) => files.insert(tx, row), { namespace: one })
    }
    await pushAll(nothing)
    await deleteComponent(database, one)
    const { value } = await database.read((tx) => new Collection<object>('_unowned_blobs').list(tx))
    expect(value).toHaveLength(450)
  })
})
