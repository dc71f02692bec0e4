// Node actions ("use node") of a pushed app through the official CLI and clients.
import { readFile } from 'node:fs/promises'
import { startTestServer, type TestServer, waitFor } from '@concave/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { mutation, post, query } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

let server: TestServer
let app: PushedApp
beforeAll(async () => {
  server = await startTestServer()
  app = await pushApp(server, { folder: fixtureFolder('node-actions') })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const act = async (name: string, args: object = {}) =>
  (await post(app.url, '/api/action', { path: `machine:${name}`, args, format: 'json' })).body
const digestOfText = '982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1'

describe('a Node action', () => {
  it('has the interfaces of Node', async () => {
    expect((await act('native', { text: 'text' })).value).toEqual({
      read: 'text',
      hex: '74657874',
      required: 'function',
      dirname: 'string',
      version: process.versions.node,
    })
  })

  it('calls functions of every kind, in both runtimes', async () => {
    const before = ((await query(app.url, 'notes:list')) as string[]).length
    expect(await act('everyKind', { text: 'text' })).toMatchObject({
      status: 'success',
      value: { hash: digestOfText },
    })
    expect(((await query(app.url, 'notes:list')) as string[]).length).toBeGreaterThan(before)
  })

  it('catches the data of a ConvexError', async () => {
    expect((await act('catching')).value).toEqual({ data: { reason: 'not this one', code: '7' } })
  })

  it('stores files and reads them', async () => {
    expect((await act('storing', { text: 'kept' })).value).toEqual({
      text: 'kept',
      type: 'text/plain',
      hasUrl: true,
      isGone: true,
    })
  })

  it.runIf(process.platform === 'linux' && process.getuid?.() === 0)('has a /tmp of its own', async () => {
    expect((await act('writesToTmp')).value).toBe('mine')
    await expect(readFile('/tmp/note')).rejects.toThrow('ENOENT')
  })

  it('has threads, and starts programs', async () => {
    expect((await act('works')).value).toEqual({
      answer: 42,
      stdout: 'SHOUTED\n',
      code: 3,
      isCompressed: true,
      memory: true,
    })
  })

  it('searches vectors', async () => {
    expect((await act('searching')).value).toBeGreaterThan(0.9)
  })

  it('schedules, is scheduled, and runs by cron', async () => {
    await act('scheduling', { text: 'by an action' })
    await mutation(app.url, 'notes:later', { text: 'by a mutation' })
    for (const text of ['by an action', 'by a mutation', 'by cron']) expect(await noted(text)).toBe(true)
  })

  it('runs by the CLI, which shows its console lines', async () => {
    const done = await app.cli.succeed('run', 'machine:native', JSON.stringify({ text: 'cli' }))
    expect(done.stdout).toContain('"read": "cli"')
    expect(done.stderr).toContain("'written' true")
  })

  it('reads environment variables as they are now', async () => {
    expect((await act('environment')).value).toBeNull()
    await app.cli.succeed('env', 'set', 'GREETING', 'hello')
    expect((await act('environment')).value).toBe('hello')
  })
})

describe('a Node action that goes wrong', () => {
  it.each([
    [
      'throws',
      'error',
      /^Uncaught Error: a Node action broke\n {4}at handler \(\.\.\/convex\/machine\.ts:\d+:\d+\)\n/m,
    ],
    ['leaves a rejection to nobody', 'rejection', /Uncaught Error: nobody listens/],
    ['throws where nobody can catch', 'exception', /Uncaught Error: thrown by a timer\n {4}at deeplyNested \(/],
    ['ends its process', 'exit', /The code ended its process: process\.exit\(3\)\n {4}at handler/],
    ['crashes its process', 'abort', /The Node\.js process of this action ended unexpectedly \(SIGABRT\)/],
  ])('because it %s ends with its error, and the next one runs', async (_what, kind, says) => {
    const failed = await act('failing', { kind })
    expect(failed.status).toBe('error')
    expect(failed.errorMessage).toMatch(/^\[Request ID: [0-9a-f]{16}\] Server Error\n/)
    expect(failed.errorMessage).toMatch(says)
    expect(failed.logLines).toEqual(["[LOG] 'about to fail'"])
    expect((await act('counted')).status).toBe('success')
  })

  it('hands the data of a ConvexError on', async () => {
    expect(await act('failing', { kind: 'convex' })).toMatchObject({ status: 'error', errorData: { code: 'refused' } })
  })

  it('says so when it leaves work behind', async () => {
    const { value, logLines } = await act('failing', { kind: 'dangling' })
    expect(value).toBe('left')
    expect(logLines?.[1]).toMatch(/^\[WARN\] 1 unawaited operation: \[query\]\. Async operations should be awaited/)
  })

  it('checks arguments and results', async () => {
    expect((await act('native', { text: 1 })).errorMessage).toContain('ArgumentValidationError')
    expect((await act('wrongResult')).errorMessage).toContain('ReturnsValidationError')
    expect((await act('native', { text: 'x'.repeat(5 * 1_048_576) })).errorMessage).toContain(
      'Node actions arguments size is too large. The maximum size is 5 MiB.',
    )
  })
})

async function noted(text: string): Promise<boolean> {
  return await waitFor(`the note "${text}"`, async () =>
    ((await query(app.url, 'notes:list')) as string[]).includes(text) ? true : undefined,
  )
}

describe('a Node action', () => {
  it('knows who called', async () => {
    const acting = Buffer.from(JSON.stringify({ issuer: 'https://convex.test', subject: 'ada' })).toString('base64')
    const call = { path: 'machine:whoAmI', args: {}, format: 'json' }
    expect((await post(app.url, '/api/action', call, { key: `${app.deployKey}:${acting}` })).body.value).toBe('ada')
    expect((await act('whoAmI')).value).toBeNull()
  })

  it('is found in the specification', async () => {
    const spec = JSON.parse((await app.cli.succeed('function-spec')).stdout) as { functions: Record<string, unknown>[] }
    expect(spec.functions).toContainEqual(
      expect.objectContaining({
        identifier: 'machine.js:native',
        functionType: 'Action',
        args: expect.objectContaining({ type: 'object' }),
      }),
    )
  })

  it('is not sent again when it has not changed', async () => {
    const hashes = await post(app.url, '/api/get_config_hashes', { version: '1.48.0', adminKey: app.deployKey })
    expect((hashes.body as unknown as { moduleHashes: unknown[] }).moduleHashes).toContainEqual(
      expect.objectContaining({ path: 'machine.js', environment: 'node' }),
    )
    await app.push()
    expect((await act('counted')).status).toBe('success')
  })
})

describe('a push', () => {
  const push = async (): Promise<string> => {
    const run = await app.cli.run('dev', '--once', '--typecheck', 'disable')
    expect(run.exitCode).not.toBe(0)
    return run.stderr
  }

  it.each([
    [
      'throws when it is loaded',
      `console.log('loading')\nthrow new Error('not today')`,
      /Failed to analyze broken\.js: Uncaught Error: not today[\s\S]*\[LOG\] 'loading'/,
    ],
    [
      'ends the process',
      'process.reallyExit(1)',
      /Failed to analyze broken\.js: Uncaught Error: The code ended its process: process\.exit\(1\)/,
    ],
    [
      'defines a query',
      `import { query } from './_generated/server'\nexport const q = query({ args: {}, handler: async () => 1 })`,
      /Failed to analyze broken\.js: `q` is a query, and only actions can be defined in Node\.js/,
    ],
  ])('is refused because a Node module %s', async (_what, code, says) => {
    await app.app.write({ 'convex/broken.ts': `'use node'\n${code}\nexport const x = 1\n` })
    expect(await push()).toMatch(says)
    await app.app.remove('convex/broken.ts')
    expect((await act('counted')).status).toBe('success')
  })

  it('is refused, by name, for a version of Node that there is not', async () => {
    await app.app.write({ 'convex.json': JSON.stringify({ node: { nodeVersion: '18' } }) })
    const text = await push()
    await app.app.remove('convex.json')
    expect(text).toContain('UnsupportedNodeVersion')
    expect(text).toContain('Node.js 18 is not supported')
  })

  it('is refused, by name, for a package that the registry does not have', async () => {
    // The CLI sends versions that it has found installed.
    const body = {
      adminKey: app.deployKey,
      dryRun: true,
      functions: 'convex/',
      nodeDependencies: [{ name: 'picocolors', version: '0.0.0-none' }],
      appDefinition: {
        definition: null,
        dependencies: [],
        schema: null,
        changedModules: [{ path: 'colors.js', source: 'export const x = 1', environment: 'node' }],
        udfServerVersion: '1.48.0',
      },
    }
    const refused = await post(app.url, '/api/deploy2/start_push', body)
    expect(refused.status).toBe(400)
    expect(refused.body).toMatchObject({
      code: 'ExternalPackagesNotAvailable',
      message: expect.stringContaining('picocolors@0.0.0-none'),
    })
  })
})

describe('external packages', () => {
  it('are installed at the push, native parts included, and found by the code', async () => {
    await app.app.write({
      'convex.json': JSON.stringify({ node: { externalPackages: ['picocolors', 'koffi'] } }),
      'package.json': JSON.stringify({
        name: 'node-actions',
        type: 'module',
        dependencies: { convex: '1.48.0', koffi: '*', picocolors: '*' },
      }),
      'convex/external.ts': external,
    })
    await app.push()
    const { body } = await post(app.url, '/api/action', { path: 'external:both', args: {}, format: 'json' })
    expect(body.value).toEqual({ colored: 'plain', isProcessId: true })
  })
})

describe('the version of Node', () => {
  it('is the one that convex.json asks for', async () => {
    await using old = await pushApp(server, { folder: fixtureFolder('node-actions') })
    await old.app.write({ 'convex.json': JSON.stringify({ node: { nodeVersion: '22' } }) })
    await old.push()
    const answer = await post(old.url, '/api/action', { path: 'machine:native', args: { text: 'old' }, format: 'json' })
    expect(answer.body.value).toMatchObject({ read: 'old', version: expect.stringMatching(/^22\./) })
    const failed = await post(old.url, '/api/action', { path: 'machine:failing', args: { kind: 'error' } })
    expect(failed.body.errorMessage).toContain('at handler (../convex/machine.ts:')
    const rejected = await post(old.url, '/api/action', { path: 'machine:failing', args: { kind: 'rejection' } })
    expect(rejected.body.errorMessage).toContain('Uncaught Error: nobody listens')
  })
})

const external = `
'use node'
import colors from 'picocolors'
import koffi from 'koffi'
import { action } from './_generated/server'

export const both = action({
  args: {},
  handler: async () => ({
    colored: colors.createColors(false).red('plain'),
    isProcessId: koffi.load(null).func('int getpid()')() === process.pid,
  }),
})
`
