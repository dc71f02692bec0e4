// Apps with components, pushed by the official CLI: what is mounted where, and what the CLI is told.
import { join } from 'node:path'
import { repositoryRoot, startTestServer, type TestServer } from '@concave/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { mutation, post, query } from './http-calls.ts'
import { type PushedApp, pushApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

type Listed = {
  readonly id: string | null
  readonly path: string
  readonly name: string | null
  readonly state: string
}

async function callAsAdmin(
  { url, deployKey: key }: PushedApp,
  path: string,
  args: object = {},
  componentPath = '',
): Promise<unknown> {
  const { body } = await post(url, '/api/query', { path, args, componentPath, format: 'json' }, { key })
  if (body.status !== 'success') throw new Error(`${path} failed: ${JSON.stringify(body)}`)
  return body.value
}

async function listComponents(subject: PushedApp): Promise<readonly Listed[]> {
  return (await callAsAdmin(subject, '_system/frontend/components:list')) as readonly Listed[]
}

async function listStates(subject: PushedApp): Promise<readonly (readonly [path: string, state: string])[]> {
  return (await listComponents(subject)).map(({ path, state }) => [path, state])
}

describe('an app with components', () => {
  let subject: PushedApp
  beforeAll(async () => {
    subject = await pushApp(server, { folder: fixtureFolder('components'), name: 'Components' })
  })
  afterAll(async () => {
    await subject[Symbol.asyncDispose]()
  })

  it('has every component of the tree mounted, and its own functions work', async () => {
    const { url } = subject
    expect(await listComponents(subject)).toMatchObject([
      { path: '', state: 'active', id: null, httpPrefix: null },
      { path: 'counter', state: 'active', name: 'counter', httpPrefix: null },
      { path: 'counter2', state: 'active' },
      { path: 'greeter', state: 'active', httpPrefix: '/greet/' },
      { path: 'greeter/tally', state: 'active', name: 'tally', httpPrefix: null },
    ])
    await mutation(url, 'notes:add', { text: 'one' })
    expect(await query(url, 'notes:list')).toEqual(['one'])
  })

  it('has code generated for its components', async () => {
    const { app } = subject
    const api = await app.read('convex/_generated/api.d.ts')
    expect(api).toContain('counter: import("../counter/_generated/component.js").ComponentApi<"counter">')
    expect(api).toContain('counter2: import("../counter/_generated/component.js").ComponentApi<"counter2">')
    const counter = await app.read('convex/counter/_generated/component.ts')
    expect(counter).toMatch(/counters: \{\s+add: FunctionReference<\s+"mutation"/)
    expect(counter).toMatch(
      /read: FunctionReference<\s+"query",\s+"internal",\s+\{ name: string \},\s+number,\s+Name\s+>/,
    )
    expect(counter).not.toContain('reset')
    expect(await app.read('convex/greeter/_generated/component.ts')).toMatch(/lib: \{\s+words: \{\s+greet:/)
    expect(await app.read('convex/greeter/_generated/server.ts')).toContain('GREETING: string')
  })

  it('has code generated for a component by itself, with nothing mounted', async () => {
    const { app, cli } = subject
    const before = await listComponents(subject)
    const files = ['greeter/convex.config.ts', 'greeter/lib/words.ts', 'counter/convex.config.ts', 'counter/schema.ts']
    for (const file of files) await app.write({ [`parts/${file}`]: await app.read(`convex/${file}`) })
    await cli.succeed('codegen', '--component-dir', 'parts/greeter', '--typecheck', 'disable')
    expect(await app.read('parts/greeter/_generated/component.ts')).toMatch(/lib: \{\s+words: \{\s+greet:/)
    expect(await listComponents(subject)).toEqual(before)
    await app.remove('parts')
  })

  it('shows tables and functions of each component by themselves', async () => {
    const { cli } = subject
    expect((await cli.succeed('data', '--component', 'counter')).stdout.trim()).toBe('counters')
    expect((await cli.succeed('data')).stdout.trim()).toBe('notes')
    const path = '_system/cli/modules:apiSpec'
    const identifiers = async (componentPath: string): Promise<readonly unknown[]> => {
      const spec = (await callAsAdmin(subject, path, {}, componentPath)) as readonly Record<string, unknown>[]
      return spec.map((entry) => entry['identifier'] ?? `${String(entry['method'])} ${String(entry['path'])}`)
    }
    expect(await identifiers('greeter/tally')).toEqual(await identifiers('counter'))
    expect(await identifiers('counter')).toEqual(
      expect.arrayContaining(['counters.js:add', 'counters.js:read', 'counters.js:reset']),
    )
    expect(await identifiers('greeter')).toEqual(['lib/words.js:greet', 'ticks.js:tick', 'GET /hello'])
    expect(await identifiers('')).toEqual(expect.arrayContaining(['notes.js:add', 'notes.js:list']))
    expect(await identifiers('')).not.toContain('counters.js:add')
    const refused = await cli.run('data', '--component', 'nobody')
    expect(refused.exitCode).toBe(1)
    expect(`${refused.stdout}${refused.stderr}`).toContain('There is no component "nobody" in this deployment.')
  })

  it('tells shapes and deletes tables by component', async () => {
    const { url, deployKey: key } = subject
    const counter = (await listComponents(subject)).find(({ path }) => path === 'counter')
    const shapes = async (query: string): Promise<unknown> => {
      const response = await fetch(`${url}/api/shapes2${query}`, { headers: { authorization: `Convex ${key}` } })
      return await response.json()
    }
    expect(await shapes('')).toEqual({ notes: { type: 'Unknown' } })
    expect(await shapes(`?component=${counter?.id}`)).toEqual({ counters: { type: 'Never' } })
    expect(await shapes('?component=nobody')).toMatchObject({ code: 'ComponentNotFound' })
    const remove = async (body: object): Promise<unknown> => await post(url, '/api/delete_tables', body, { key })
    expect(await remove({ tableNames: ['notes'], componentId: counter?.id })).toMatchObject({
      status: 400,
      body: { message: 'Table "notes" not found' },
    })
    expect(await remove({ tableNames: ['counters'], componentId: counter?.id })).toMatchObject({
      status: 400,
      body: { message: 'Failed to delete table "counters" because it appears in the schema' },
    })
    const anonymous = await post(url, '/api/delete_component', { componentId: counter?.id })
    expect(anonymous.status).toBe(401)
  })

  it('keeps the cron jobs of a component with the component', async () => {
    const names = async (componentId: string | null): Promise<readonly unknown[]> => {
      const jobs = await callAsAdmin(subject, '_system/frontend/listCronJobs', { componentId })
      return (jobs as readonly { readonly name: string }[]).map(({ name }) => name)
    }
    const greeter = (await listComponents(subject)).find(({ path }) => path === 'greeter')
    expect(await names(greeter?.id ?? null)).toEqual(['tick'])
    expect(await names(null)).toEqual([])
  })

  it('changes nothing when it is pushed again', async () => {
    // The first push of a folder bundles the stubs of the generated code.
    await subject.push()
    const before = await listComponents(subject)
    const done = await subject.cli.succeed('dev', '--once', '--typecheck', 'disable', '-v')
    expect(done.stderr).not.toMatch(/Installed|Unmounted|Remounted|table indexes/)
    expect(done.stderr).toContain('"componentDiffs"')
    expect(done.stderr).not.toMatch(/"added":\s*\[\s*"/)
    expect(await listComponents(subject)).toEqual(before)
  })

  it('keeps the tables of a component that is removed, and mounts it again on them', async () => {
    const { app, cli } = subject
    const config = await app.read('convex/convex.config.ts')
    const before = await listComponents(subject)
    const add = ['run', '--component', 'greeter/tally', 'counters:add', '{"name":"kept"}']
    expect((await cli.succeed(...add)).stdout.trim()).toBe('1')
    await app.write({ 'convex/convex.config.ts': config.replace(/(app\.use\(|import )greeter.*\n/g, '') })
    const removed = await cli.succeed('dev', '--once', '--typecheck', 'disable')
    expect(removed.stderr).toContain('Unmounted component greeter.')
    expect(removed.stderr).toContain('Unmounted component greeter/tally.')
    expect((await listStates(subject)).slice(3)).toEqual([
      ['greeter', 'unmounted'],
      ['greeter/tally', 'unmounted'],
    ])
    expect((await cli.succeed('data', 'counters', '--component', 'greeter/tally')).stdout).toContain('"kept"')
    expect((await cli.run(...add)).exitCode).toBe(1)
    expect(await callAsAdmin(subject, '_system/cli/modules:apiSpec', {}, 'greeter')).toEqual([])
    await app.write({ 'convex/convex.config.ts': config })
    const mounted = await cli.succeed('dev', '--once', '--typecheck', 'disable')
    expect(mounted.stderr).toContain('Remounted component greeter.')
    expect((await cli.succeed(...add)).stdout.trim()).toBe('2')
    expect(await listComponents(subject)).toEqual(before)
  })

  it('are checked against their own schema: a push tells in which component a document does not match', async () => {
    const { app, cli, url } = subject
    await mutation(url, 'calls:count', { name: 'checked' })
    const schema = await app.read('convex/counter/schema.ts')
    await app.write({ 'convex/counter/schema.ts': schema.replace('name: v.string()', 'name: v.number()') })
    for (const command of [
      ['dev', '--once'],
      ['deploy', '--dry-run'],
    ]) {
      const refused = await cli.run(...command, '--typecheck', 'disable')
      expect(refused.exitCode).toBe(1)
      expect(refused.stderr).toMatch(/Schema validation failed in component "counter2?"\./)
      expect(refused.stderr).toMatch(/Document with ID "\w+" in table "counters" does not match the schema/)
    }
    await app.write({ 'convex/counter/schema.ts': schema })
    await mutation(url, 'calls:count', { name: 'checked' })
    expect(await query(url, 'calls:counts', { name: 'checked' })).toEqual([2, 20])
  })

  it('deletes a component for good once it is unmounted', async () => {
    const { app, cli, url, deployKey: key } = subject
    const [, , counter2] = await listComponents(subject)
    await mutation(url, 'calls:count', { name: 'lost' })
    expect(await query(url, 'calls:counts', { name: 'lost' })).toEqual([1, 10])
    const body = { componentId: counter2?.id }
    const mounted = await post(url, '/api/delete_component', body, { key })
    expect(mounted).toMatchObject({ status: 400, body: { code: 'ComponentMustBeUnmounted' } })
    const config = await app.read('convex/convex.config.ts')
    await app.write({ 'convex/convex.config.ts': config.replace(/app\.use\(counter, .*\n/, '') })
    await cli.succeed('dev', '--once', '--typecheck', 'disable')
    expect(await post(url, '/api/delete_component', body, { key })).toMatchObject({ status: 200 })
    expect(await post(url, '/api/delete_component', body, { key })).toMatchObject({
      status: 400,
      body: { code: 'ComponentNotFound' },
    })
    expect((await listStates(subject)).map(([path]) => path)).toEqual(['', 'counter', 'greeter', 'greeter/tally'])
    await app.write({ 'convex/convex.config.ts': config })
    const again = await cli.succeed('dev', '--once', '--typecheck', 'disable')
    expect(again.stderr).toContain('Installed component counter2.')
    expect(await query(url, 'calls:counts', { name: 'lost' })).toEqual([1, 0])
  })
})

describe('convex deploy', () => {
  it('tries without effect with --dry-run, then installs what is new, with indexes', async () => {
    await using subject = await pushApp(server, { folder: fixtureFolder('components'), type: 'prod', name: 'Dry' })
    const { app, cli } = subject
    const config = await app.read('convex/convex.config.ts')
    const schema = await app.read('convex/counter/schema.ts')
    const greeter = await app.read('convex/greeter/convex.config.ts')
    const before = await listComponents(subject)
    await app.write({
      'convex/convex.config.ts': config.replace(
        'export default',
        `app.use(counter, { name: 'counter3' })\nexport default`,
      ),
      'convex/counter/schema.ts': schema.replace(
        ".index('by_name', ['name'])",
        ".index('by_name', ['name']).index('by_count', ['count'])",
      ),
      // Types of what a local component mounts itself are generated with paths that do not exist.
      'convex/greeter/convex.config.ts': greeter.replace(/(component\.use\(|import )counter.*\n/g, ''),
      'convex/greeter/ticks.ts': `export const nothing = 1\n`,
      'convex/greeter/crons.ts': `import { cronJobs } from 'convex/server'\nexport default cronJobs()\n`,
    })
    await cli.succeed('deploy', '--dry-run', '--typecheck', 'disable')
    expect(await listComponents(subject)).toEqual(before)
    await cli.succeed('codegen', '--typecheck', 'disable')
    expect(await listComponents(subject)).toEqual(before)
    const done = await cli.succeed('deploy', '--typecheck', 'enable')
    expect(done.stderr).toContain('Installed component counter3.')
    expect(done.stderr).toContain('Unmounted component greeter/tally.')
    expect((await listStates(subject)).map(([path]) => path)).toContain('counter3')
  })
})

describe('components that cannot be mounted', () => {
  let subject: PushedApp
  let config: string
  beforeAll(async () => {
    subject = await pushApp(server, { folder: fixtureFolder('components'), name: 'Refused' })
    config = await subject.app.read('convex/convex.config.ts')
  })
  afterAll(async () => {
    await subject[Symbol.asyncDispose]()
  })

  it.each([
    {
      what: 'a missing env var',
      change: [`GREETING: 'Hello', `, ''],
      says: 'TypecheckError: Hit an error while pushing:\nComponent greeter is missing required env var GREETING',
    },
    { what: 'an unknown env var', change: [`GREETING:`, `WHAT: '1', GREETING:`], says: 'cannot take the env var WHAT' },
    {
      what: 'two components of one name',
      change: [`'counter2'`, `'counter'`],
      says: 'uses two components as "counter"',
    },
    {
      what: 'a mount of a component without routes',
      change: [`name: 'counter2'`, `name: 'counter2', httpPrefix: '/c'`],
      says: 'the component "counter2" has no http routes',
    },
    {
      what: 'a variable of the environment in its definition',
      file: 'convex/counter/convex.config.ts',
      text: `import { defineComponent } from 'convex/server'\nexport default defineComponent(process.env.NAME ?? 'counter')\n`,
      says: "Environment variables are only supported in the app's convex.config.ts.",
    },
    {
      what: 'a module that throws',
      file: 'convex/greeter/words.ts',
      text: `throw new Error('bang')\nexport const x = 1\n`,
      says: 'In the component "greeter": Failed to analyze words.js: Uncaught Error: bang',
    },
  ])('are refused: $what', async ({ change = ['', ''], file = 'convex/convex.config.ts', text, says }) => {
    const { app, cli } = subject
    const files = {
      'convex/convex.config.ts': config,
      'convex/counter/convex.config.ts': await app.read('convex/counter/convex.config.ts'),
    }
    const [from = '', to = ''] = change
    expect(config).toContain(from)
    await app.write({ [file]: text ?? config.replace(from, to) })
    const done = await cli.run('dev', '--once', '--typecheck', 'disable')
    await app.remove(file)
    await app.write(files)
    expect(done.exitCode, done.stderr).toBe(1)
    expect(done.stderr).toContain('400 Bad Request')
    expect(done.stderr).toContain(says)
    expect((await listStates(subject)).map(([path]) => path)).toEqual([
      '',
      'counter',
      'counter2',
      'greeter',
      'greeter/tally',
    ])
  })
})

/** `npm test` installs them. */
const nodeModules = join(repositoryRoot, 'tests/npm-components/node_modules')
const publishedComponents = ['sharded-counter', 'rate-limiter', 'aggregate', 'workpool']

describe('published components', () => {
  it('are mounted from node_modules, with what they use themselves', async () => {
    const names = publishedComponents.map((name) => name.replaceAll('-', '_'))
    await using subject = await pushApp(server, { folder: fixtureFolder('shop'), name: 'Published', nodeModules })
    await subject.app.write({
      'convex/convex.config.ts': [
        `import { defineApp } from 'convex/server'`,
        ...names.map(
          (name, at) => `import ${name} from '@convex-dev/${publishedComponents[at] ?? ''}/convex.config.js'`,
        ),
        `const app = defineApp()`,
        ...names.map((name) => `app.use(${name}, { name: '${name}' })`),
        `export default app`,
      ].join('\n'),
    })
    const done = await subject.cli.succeed('dev', '--once', '--typecheck', 'disable')
    for (const name of names) expect(done.stderr).toContain(`Installed component ${name}.`)
    const paths = (await listStates(subject)).map(([path]) => path)
    expect(paths).toEqual(expect.arrayContaining(names))
    for (const name of names) {
      const spec = await callAsAdmin(subject, '_system/cli/modules:apiSpec', {}, name)
      expect(spec, name).toEqual(expect.arrayContaining([expect.objectContaining({ visibility: { kind: 'public' } })]))
    }
    const api = await subject.app.read('convex/_generated/api.d.ts')
    for (const name of names) expect(api).toContain(`${name}: import("@convex-dev/`)
  })
})
