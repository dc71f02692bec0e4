// Deploys with the official CLI: what goes live, and that whatever fails changes nothing.
import {
  type AppFolder,
  type Cli,
  createProject,
  deployKeyAccess,
  openAppFolder,
  openCli,
  selfHostedAccess,
  startTestServer,
  type TestProject,
  type TestServer,
} from '@concave/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { mutation, post, query } from './http-calls.ts'
import { findModulesSentByHash, findPushedModules, openRecordingProxy } from './recording-proxy.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

type Subject = AsyncDisposable & {
  readonly project: TestProject
  readonly app: AppFolder
  readonly cli: Cli
  readonly url: string
}

async function openSubject(type: 'dev' | 'prod'): Promise<Subject> {
  const project = await createProject(server, { name: `Push ${type}`, type })
  const app = await openAppFolder({ from: fixtureFolder('shop') })
  const cli = await openCli(app, deployKeyAccess(server, project.deployKey))
  return {
    project,
    app,
    cli,
    url: project.deploymentUrl,
    [Symbol.asyncDispose]: async () => await app[Symbol.asyncDispose](),
  }
}

function versionModule(version: string): string {
  return `import { query } from './_generated/server'
export const current = query({ args: {}, handler: async () => '${version}' })
`
}

describe('convex dev --once', () => {
  let subject: Subject
  beforeAll(async () => {
    subject = await openSubject('dev')
  })
  afterAll(async () => {
    await subject[Symbol.asyncDispose]()
  })

  it('pushes an app: checks types, generates code, creates indexes, writes .env.local', async () => {
    const { app, cli, url } = subject
    const done = await cli.succeed('dev', '--once', '--typecheck', 'enable')
    expect(done.stderr).toContain('Added table indexes:')
    expect(done.stderr).toMatch(/\[\+\] items\.by_shelf {3}shelf, rank, _creationTime/)
    expect(done.stderr).toMatch(/Convex functions ready!/)
    expect(await app.read('convex/_generated/api.d.ts')).toContain('import type * as items from "../items.js"')
    expect(await app.read('convex/_generated/dataModel.d.ts')).toContain('schema.js')
    expect(await app.read('.env.local')).toContain(`CONVEX_URL=${url}`)
    expect(await query(url, 'version:current')).toBe('first')
    await mutation(url, 'items:add', { shelf: 'a', rank: 2 })
    await mutation(url, 'items:add', { shelf: 'a', rank: 1 })
    expect(await query(url, 'items:range', { shelf: 'a' })).toEqual([1, 2])
  })

  it('sends modules that have not changed by hash only, and keeps them', async () => {
    const { app, url, project } = subject
    await using proxy = await openRecordingProxy(url)
    const cli = await openCli(app, selfHostedAccess(proxy.url, project.deployKey))
    // It names the deployment of the first push, and would contradict the proxy's URL.
    await app.remove('.env.local')
    // The first push of a folder bundles the stubs of the generated code, so this one differs everywhere.
    await cli.succeed('dev', '--once', '--typecheck', 'disable')
    await app.write({ 'convex/version.ts': versionModule('second') })
    const done = await cli.succeed('dev', '--once', '--typecheck', 'disable')
    expect(done.stderr).not.toContain('table indexes')
    expect(done.stderr).toContain('Convex functions ready!')
    expect(findPushedModules(proxy.requests).map(({ path }) => path)).toEqual(['version.js'])
    expect(findModulesSentByHash(proxy.requests)).toEqual(
      expect.arrayContaining(['items.js', 'counters.js', expect.stringMatching(/^_deps\//)]),
    )
    expect(await query(url, 'version:current')).toBe('second')
    expect(await query(url, 'items:range', { shelf: 'a' })).toEqual([1, 2])
    await app.remove('.env.local')
  })

  it('is refused when a variable has changed since it was started', async () => {
    const { app, url, project } = subject
    await using proxy = await openRecordingProxy(url)
    const cli = await openCli(app, selfHostedAccess(proxy.url, project.deployKey))
    await cli.succeed('codegen')
    const key = project.deployKey
    const body = proxy.requests.findLast(({ path }) => path === '/api/deploy2/start_push')?.body ?? ''
    const started = await post(url, '/api/deploy2/start_push', JSON.parse(body), { key })
    const finish = { adminKey: key, startPush: started.body, dryRun: false, message: null }
    const changes = [{ name: 'RACE', value: '1' }]
    expect(await post(url, '/api/update_environment_variables', { changes }, { key })).toMatchObject({ status: 200 })
    const refused = await post(url, '/api/deploy2/finish_push', finish, { key })
    expect(refused).toMatchObject({ status: 400, body: { code: 'RaceDetected' } })
    expect(await query(url, 'version:current')).toBe('second')
  })

  it('stops at a type error, with nothing live', async () => {
    const { app, cli, url } = subject
    await app.write({
      'convex/version.ts': versionModule('third'),
      'convex/wrong.ts': `export const wrong: number = 'text'\n`,
    })
    const done = await cli.run('dev', '--once', '--typecheck', 'enable')
    await app.remove('convex/wrong.ts')
    expect(done.exitCode).toBe(1)
    expect(`${done.stdout}${done.stderr}`).toContain("Type 'string' is not assignable to type 'number'")
    expect(await query(url, 'version:current')).toBe('second')
  })

  it('generates code without making anything live', async () => {
    const { app, cli, url } = subject
    await app.write({ 'convex/version.ts': versionModule('third') })
    await app.remove('convex/_generated')
    await cli.succeed('codegen')
    expect(await app.read('convex/_generated/api.d.ts')).toContain('version')
    expect(await query(url, 'version:current')).toBe('second')
  })

  it('serves the new code after the next push', async () => {
    const { cli, url } = subject
    await cli.succeed('dev', '--once', '--typecheck', 'disable')
    expect(await query(url, 'version:current')).toBe('third')
    expect(await query(url, 'items:range', { shelf: 'a' })).toEqual([1, 2])
  })
})

describe('convex deploy', () => {
  let subject: Subject
  beforeAll(async () => {
    subject = await openSubject('prod')
    await subject.cli.succeed('deploy')
    await mutation(subject.url, 'items:add', { shelf: 'a', rank: 1, label: 'plain' })
  })
  afterAll(async () => {
    await subject[Symbol.asyncDispose]()
  })

  it('tries without effect with --dry-run', async () => {
    const { app, cli, url } = subject
    await app.write({ 'convex/version.ts': versionModule('second') })
    await cli.succeed('deploy', '--dry-run')
    expect(await query(url, 'version:current')).toBe('first')
  })

  it('says with --dry-run which document a new schema would not take', async () => {
    const { app, cli } = subject
    const schema = await app.read('convex/schema.ts')
    expect(schema).toContain('rank: v.number()')
    await app.write({ 'convex/schema.ts': schema.replace('rank: v.number()', 'rank: v.string()') })
    const refused = await cli.run('deploy', '--dry-run', '--typecheck', 'disable')
    await app.write({ 'convex/schema.ts': schema })
    expect(refused.exitCode).toBe(1)
    expect(refused.stderr).toContain('Schema validation failed.')
    expect(refused.stderr).toMatch(/Document with ID "\w+" in table "items" does not match the schema/)
    expect(refused.stderr).toContain('Path: .rank')
  })

  it('asks before it drops an index of a large table, and counts by one request', async () => {
    const { app, project, url } = subject
    await using proxy = await openRecordingProxy(url)
    const access = { CONVEX_MIN_DOCUMENTS_FOR_INDEX_DELETE_WARNING: '1' }
    const careful = await openCli(app, { ...selfHostedAccess(proxy.url, project.deployKey), ...access })
    const schema = await app.read('convex/schema.ts')
    await app.write({ 'convex/schema.ts': schema.replace(".index('by_shelf', ['shelf', 'rank'])", '') })
    const refused = await careful.run('deploy', '--typecheck', 'disable')
    await app.write({ 'convex/schema.ts': schema })
    expect(refused.exitCode).toBe(1)
    expect(refused.stderr).toMatch(/will delete the following index[^]*items\.by_shelf/)
    const paths = proxy.requests.map(({ path }) => path)
    expect(paths).toContain('/api/deploy2/evaluate_schema')
    expect(paths).not.toContain('/api/deploy2/evaluate_push')
  })

  it('changes indexes, filling new ones from the documents there are', async () => {
    const { app, cli, url } = subject
    const schema = await app.read('convex/schema.ts')
    await app.write({
      'convex/schema.ts': schema
        .replace(".index('by_name', ['name'])", ".index('by_value', ['value'])")
        .replace(
          ".index('by_shelf', ['shelf', 'rank'])",
          ".index('by_shelf', ['shelf', 'rank']).index('by_label', ['label'])",
        ),
      'convex/labels.ts': `
        import { v } from 'convex/values'
        import { query } from './_generated/server'
        export const find = query({
          args: { label: v.string() },
          handler: async (ctx, { label }) =>
            (await ctx.db.query('items').withIndex('by_label', (q) => q.eq('label', label)).collect()).map((row) => row.rank),
        })`,
    })
    await app.remove('convex/counters.ts')
    const done = await cli.succeed('deploy')
    expect(done.stderr).toContain('Deleted table indexes:')
    expect(done.stderr).toMatch(/\[-\] counters\.by_name/)
    expect(done.stderr).toMatch(/\[\+\] counters\.by_value {3}value, _creationTime/)
    expect(done.stderr).toMatch(/\[\+\] items\.by_label/)
    expect(await query(url, 'labels:find', { label: 'plain' })).toEqual([1])
    const gone = await post(url, '/api/query', { path: 'counters:read', args: { name: 'x' } })
    expect(gone.body.errorMessage).toContain('Server Error')
  })
})

describe('a push that fails', () => {
  let subject: Subject
  let files: Readonly<Record<string, string>>
  beforeAll(async () => {
    subject = await openSubject('dev')
    await subject.cli.succeed('dev', '--once', '--typecheck', 'disable')
    await mutation(subject.url, 'items:add', { shelf: 'a', rank: 1 })
    files = { 'convex/schema.ts': await subject.app.read('convex/schema.ts') }
  })
  afterAll(async () => {
    await subject[Symbol.asyncDispose]()
  })
  beforeEach(async () => {
    await subject.app.write(files)
  })

  /** Pushes with `changes` on top of the app and takes them back. The old code must go on serving. */
  async function fail(changes: Readonly<Record<string, string>>): Promise<string> {
    const { app, cli, url } = subject
    await app.write({ ...changes, 'convex/version.ts': versionModule('second') })
    const done = await cli.run('dev', '--once', '--typecheck', 'disable')
    for (const path of Object.keys(changes)) if (!(path in files)) await app.remove(path)
    expect(done.exitCode, done.stderr).toBe(1)
    expect(await query(url, 'version:current')).toBe('first')
    expect(await query(url, 'items:range', { shelf: 'a' })).toEqual([1])
    return done.stderr
  }

  it('tells of a syntax error where it is', async () => {
    const text = await fail({ 'convex/broken.ts': 'export const x = (\n' })
    expect(text).toMatch(/broken\.ts:\d+:\d+/)
  })

  it('tells of a module that throws while it is imported', async () => {
    const text = await fail({ 'convex/explosive.ts': `throw new Error('bang')\nexport const x = 1\n` })
    expect(text).toContain('400 Bad Request: InvalidModules: Hit an error while pushing:')
    expect(text).toContain('Uncaught Error: bang')
    expect(text).toContain('explosive')
  })

  it('tells which document breaks the new schema, and goes on enforcing the old one', async () => {
    const schema = (files['convex/schema.ts'] ?? '').replace('rank: v.number()', 'rank: v.string()')
    const text = await fail({ 'convex/schema.ts': schema })
    expect(text).toContain('Schema validation failed.')
    expect(text).toMatch(/Document with ID "[a-z0-9]{32}" in table "items" does not match the schema:/)
    expect(text).toContain('Path: .rank\nValue: 1.0\nValidator: v.string()')
    await mutation(subject.url, 'items:add', { shelf: 'other', rank: 5 })
    const refused = await post(subject.url, '/api/mutation', { path: 'items:add', args: { shelf: 'other', rank: 'x' } })
    expect(refused.body).toMatchObject({ status: 'error' })
  })

  it('tells of an index on a field that is not there', async () => {
    const schema = (files['convex/schema.ts'] ?? '').replace("['shelf', 'rank']", "['shelf', 'missing']")
    const text = await fail({ 'convex/schema.ts': schema })
    expect(text).toContain('400 Bad Request: SchemaDefinitionError')
    expect(text).toContain('missing')
  })
})
