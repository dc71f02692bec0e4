// The command line's MCP server: every tool, for a person who is logged in and for a deploy key.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { deployKeyAccess, pinnedNode, repositoryRoot, startTestServer, type TestServer } from '@concave/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { mutation } from './http-calls.ts'
import { type PushedApp, pushApp } from './pushed-app.ts'

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

let server: TestServer
let app: PushedApp
beforeAll(async () => {
  server = await startTestServer()
  app = await pushApp(server, { folder: fixtureFolder('shop') })
  await mutation(app.url, 'counters:add', { name: 'mcp', amount: 7 })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

type ToolResult = { readonly isError?: boolean; readonly content: readonly { readonly text: string }[] }
type Reply = { readonly id?: number; readonly result?: unknown; readonly error?: { readonly message: string } }

/** Speaks JSON-RPC, a line a message, with the MCP server in a child process. */
class McpClient {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (reply: Reply) => void>()
  #lastId = 0

  constructor(access: Readonly<Record<string, string>>) {
    const cli = join(repositoryRoot, 'node_modules/convex/bin/main.js')
    const env = { PATH: `${dirname(pinnedNode)}:/usr/bin:/bin`, HOME: join(app.app.path, '.home'), ...access }
    this.#child = spawn(pinnedNode, [cli, 'mcp', 'start', '--project-dir', app.app.path], {
      cwd: app.app.path,
      env,
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    const { stdout } = this.#child
    if (stdout === null) throw new Error('Its output is a pipe.')
    createInterface({ input: stdout }).on('line', (line) => {
      const reply = JSON.parse(line) as Reply
      this.#waiting.get(reply.id ?? -1)?.(reply)
    })
  }

  async open(): Promise<void> {
    const clientInfo = { name: 'test', version: '1' }
    await this.#request('initialize', { protocolVersion: '2024-11-05', capabilities: {}, clientInfo })
    this.#send({ jsonrpc: '2.0', method: 'notifications/initialized' })
  }

  async callTool(name: string, input: object): Promise<ToolResult> {
    return (await this.#request('tools/call', { name, arguments: input })) as ToolResult
  }

  async close(): Promise<void> {
    const closed = once(this.#child, 'close')
    this.#child.kill('SIGTERM')
    await closed
  }

  async #request(method: string, params: object): Promise<unknown> {
    const id = ++this.#lastId
    const reply = await new Promise<Reply>((resolve) => {
      this.#waiting.set(id, resolve)
      this.#send({ jsonrpc: '2.0', id, method, params })
    })
    if (reply.error !== undefined) throw new Error(`${method}: ${reply.error.message}`)
    return reply.result
  }

  #send(message: object): void {
    this.#child.stdin?.write(`${JSON.stringify(message)}\n`)
  }
}

type Listed = { readonly kind: string; readonly deploymentSelector: string; readonly url: string }

const accounts = {
  'a person': () => ({
    CONVEX_PROVISION_HOST: server.url,
    CONVEX_VERSION_API_ORIGIN: server.url,
    CONVEX_OVERRIDE_ACCESS_TOKEN: server.accessToken,
    CONVEX_DEPLOYMENT: `dev:${app.deploymentName}`,
  }),
  'a deploy key': () => deployKeyAccess(server, app.deployKey),
} as const

/** The command line itself keeps keys from asking for insights. */
const insights = { 'a person': /insights/, 'a deploy key': /require to be logged in as a user/ } as const

describe.each(Object.entries(accounts))('for %s', (name, access) => {
  let client: McpClient
  let deploymentSelector: string
  beforeAll(async () => {
    client = new McpClient(access())
    await client.open()
  })
  afterAll(async () => {
    await client.close()
  })

  const call = async (name: string, input: object = {}): Promise<string> => {
    const { isError, content } = await client.callTool(name, { deploymentSelector, ...input })
    const text = content.map((part) => part.text).join('\n')
    if (isError === true) throw new Error(`${name}: ${text}`)
    return text
  }

  it('finds the deployment', async () => {
    const { content, isError } = await client.callTool('status', { projectDir: app.app.path })
    expect({ isError, content }).not.toMatchObject({ isError: true })
    const { availableDeployments } = JSON.parse(content[0]?.text ?? '') as { availableDeployments: Listed[] }
    const own = availableDeployments.find(({ url }) => url === app.url)
    deploymentSelector = own?.deploymentSelector ?? ''
    expect(deploymentSelector).not.toBe('')
  })

  it.each([
    ['tables', {}, /"counters":\{"schema":.*"inferredSchema":\{"type":"Unknown"\}/],
    ['functionSpec', {}, /counters\.js:add|counters:add/],
    ['data', { tableName: 'counters', order: 'desc' }, /"name":"mcp"/],
    ['run', { functionName: 'counters:read', args: '{"name":"mcp"}' }, /"result":7/],
    [
      'runOneoffQuery',
      {
        query:
          'import { query } from "convex:/_system/repl/wrappers.js"; export default query({ handler: async (ctx) => (await ctx.db.query("counters").collect()).length })',
      },
      /"result":1/,
    ],
    ['envSet', { name: 'MCP', value: 'yes' }, /success/],
    ['envGet', { name: 'MCP' }, /yes/],
    ['envList', {}, /"MCP"/],
    ['envRemove', { name: 'MCP' }, /success/],
    ['logs', {}, /entries/],
  ])('%s', async (tool, input, answer) => {
    expect(await call(tool, input)).toMatch(answer)
  })
  it('insights', async () => {
    const { content } = await client.callTool('insights', { deploymentSelector })
    expect(content[0]?.text).toMatch(insights[name as keyof typeof insights])
  })
})
