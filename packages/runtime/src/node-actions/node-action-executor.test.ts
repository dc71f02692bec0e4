import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { createLog } from '@concave/base'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { ActionOutcome } from '../actions/action.ts'
import type { LogLine } from '../execution.ts'
import type { NodeActionRequest, NodeProvider } from './node-action.ts'
import { NodeActionExecutor, type NodeActionExecutorOptions } from './node-action-executor.ts'

vi.setConfig({ testTimeout: 30_000 })

const ownNode: NodeProvider = {
  provide: async () => ({ nodePath: process.execPath, packagesFolder: undefined }),
  setUser: async () => undefined,
  removeUser: async () => undefined,
}

const source = `'use node'
import net from 'node:net'
import dns from 'node:dns/promises'
const action = (handler) => ({
  isAction: true,
  invokeAction: async (requestId, args) => JSON.stringify((await handler(JSON.parse(args)[0], requestId)) ?? null),
})
const ask = (op, args) => Convex.asyncSyscall(op, JSON.stringify(args))
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
let calls = 0
export const counted = action(() => ({ calls: ++calls, pid: process.pid }))
export const fetched = action(async ({ url }) => {
  const text = await (await fetch(url)).text()
  console.log('fetched', text)
  return { text, told: await ask('told', {}) }
})
export const greeted = action(async ({ port }) => {
  const socket = net.connect(port, 'localhost')
  return await new Promise((resolve, reject) => {
    socket.on('connect', () => console.log('connected'))
    socket.on('data', (bytes) => resolve(String(bytes)))
    socket.on('error', (error) => reject(error))
  })
})
export const named = action(async ({ name }) => (await dns.lookup(name, { all: true })).length > 0)
export const never = action(async () => await new Promise(() => undefined))
export const spins = action(() => { for (;;); })
export const rejects = action(async ({ text }) => {
  await wait(20)
  void Promise.reject(new Error(text))
  await wait(60_000)
})
export const waits = action(async ({ ms, value }) => { await wait(ms); return value })
export const foreign = action(async () => await ask('told', { requestId: 'another' }))
export const native = action(async ({ port }) => {
  const { default: koffi } = await import('koffi')
  const libc = koffi.load(null)
  const socket = libc.func('int socket(int domain, int type, int protocol)')
  const connect = libc.func('int connect(int fd, const void *address, int size)')
  const unix = [1, 2, 10].map((domain) => socket(domain, 1, 0))
  const handed = net.connect(port, '127.0.0.1')
  await new Promise((resolve) => handed.on('connect', resolve))
  // AF_UNSPEC would free the connection for another address.
  return { sockets: unix, again: connect(handed._handle.fd, Buffer.alloc(16), 16) }
})
export const many = action(async () => {
  for (let i = 0; i < 300; i++) console.log(i)
})
`

let web: Server
beforeAll(async () => {
  web = createServer((request, response) => response.end(`at ${request.url}`))
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
  return () => void web.close()
})

const opened: NodeActionExecutor[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((executor) => executor.close()))
})

function open(
  options: Partial<NodeActionExecutorOptions> & { readonly allowsPrivate?: boolean } = {},
): NodeActionExecutor {
  const executor = new NodeActionExecutor({
    provider: ownNode,
    egress: {
      allowsPrivate: options.allowsPrivate ?? true,
      fetch: () => Promise.reject(new Error('Node makes its own requests.')),
    },
    log: createLog({ level: 'silent' }),
    ...options,
  })
  opened.push(executor)
  return executor
}

async function run(
  executor: NodeActionExecutor,
  exportName: string,
  args: object = {},
  version = '1',
): Promise<{ readonly outcome: ActionOutcome; readonly lines: readonly LogLine[]; readonly value: unknown }> {
  const lines: LogLine[] = []
  const modulePath = 'machine.js'
  const request: NodeActionRequest = {
    kind: 'action',
    code: {
      version,
      modules: new Map([[modulePath, { path: modulePath, source, sourceMap: undefined, reuse: 'fresh' }]]),
      importSeed: '00',
      importTimeMs: 0,
    },
    env: { version: '1', variables: {} },
    modulePath,
    exportName,
    argsText: JSON.stringify([args]),
    seed: '00',
    requirements: { nodeVersion: undefined, packages: [] },
    functionName: `machine:${exportName}`,
  }
  const outcome = await executor.run(request, {
    syscall: async (op) => ({ text: JSON.stringify(op) }),
    log: (added) => void lines.push(...added),
  })
  return { outcome, lines, value: outcome.kind === 'success' ? JSON.parse(outcome.resultText) : outcome.message }
}

const texts = (lines: readonly LogLine[]): string[] => lines.map(({ messages }) => messages.join(' '))

test('actions share a process and its modules, and new code gets another', async () => {
  const executor = open()
  const first = (await run(executor, 'counted')).value as { calls: number; pid: number }
  const second = (await run(executor, 'counted')).value
  expect(second).toEqual({ calls: first.calls + 1, pid: first.pid })
  const next = (await run(executor, 'counted', {}, '2')).value as { calls: number; pid: number }
  expect(next.calls).toBe(1)
  expect(next.pid).not.toBe(first.pid)
})

test('a process without actions is given up after a while', async () => {
  const executor = open({ idleTimeoutMs: 10 })
  const { pid } = (await run(executor, 'counted')).value as { pid: number }
  await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'))
})

test('an action that takes too long is ended, be it idle or busy, and the next one runs', async () => {
  const executor = open({ timeMs: 300 })
  for (const name of ['never', 'spins']) {
    expect((await run(executor, name)).value).toBe(
      `Action \`machine:${name}\` execution timed out (maximum duration 0.3s)`,
    )
    expect((await run(executor, 'counted')).outcome.kind).toBe('success')
  }
})

test('a rejection that nobody handles fails the action that it belongs to, and no other', async () => {
  const executor = open()
  await run(executor, 'counted')
  const [innocent, first, second] = await Promise.all([
    run(executor, 'waits', { ms: 200, value: 'done' }),
    run(executor, 'rejects', { text: 'one' }),
    run(executor, 'rejects', { text: 'two' }),
  ])
  expect(innocent.value).toBe('done')
  expect(first.value).toContain('Uncaught Error: one')
  expect(second.value).toContain('Uncaught Error: two')
})

test('what is left of an earlier action is refused', async () => {
  expect((await run(open(), 'foreign')).value).toContain('Leftover state detected.')
})

test('log lines end with the limit', async () => {
  const { lines } = await run(open(), 'many')
  expect(lines).toHaveLength(256)
  expect(lines.at(-1)).toMatchObject({
    level: 'ERROR',
    messages: ['Log overflow (maximum 256). Remaining log lines omitted.'],
  })
})

test('where the kernel keeps no rule, sockets of Node keep it', async () => {
  const guarded = open({ allowsPrivate: false, network: 'guarded' })
  const { value, lines } = await run(guarded, 'greeted', { port: (web.address() as AddressInfo).port })
  expect(value).toContain('EACCES')
  expect(texts(lines)[0]).toContain('loopback, private or link-local address, which actions of this server may not')
})

describe.runIf(process.platform === 'linux')('without a network of its own', () => {
  const handed = (): NodeActionExecutor => open({ allowsPrivate: false, isInside: () => false })

  test('an action talks over connections that it is handed, and goes on as itself', async () => {
    const url = `http://localhost:${(web.address() as AddressInfo).port}/x`
    const { value, lines } = await run(handed(), 'fetched', { url })
    expect(value).toEqual({ text: 'at /x', told: '"told"' })
    expect(texts(lines)).toEqual(["'fetched' 'at /x'"])
  })

  test('hears what the other side says first', async () => {
    const greeter = createTcpServer((socket) => socket.end('welcome'))
    await new Promise<void>((resolve) => greeter.listen(0, 'localhost', resolve))
    const { value, lines } = await run(handed(), 'greeted', { port: (greeter.address() as AddressInfo).port })
    greeter.close()
    expect(value).toBe('welcome')
    expect(texts(lines)).toEqual(["'connected'"])
  })

  test('has none by native code either, and handed connections stay where they lead', async () => {
    const provider: NodeProvider = {
      ...ownNode,
      provide: async () => ({
        nodePath: process.execPath,
        packagesFolder: fileURLToPath(new URL('../../../../node_modules', import.meta.url)),
      }),
    }
    const executor = open({ allowsPrivate: false, isInside: () => false, provider })
    const { value } = await run(executor, 'native', { port: (web.address() as AddressInfo).port })
    expect(value).toEqual({ sockets: [-1, -1, -1], again: -1 })
  })

  test('learns why it cannot connect', async () => {
    expect((await run(handed(), 'greeted', { port: 1 })).value).toContain('ECONNREFUSED')
    expect((await run(open({ allowsPrivate: false }), 'greeted', { port: 1 })).value).toContain('EACCES')
  })

  test('resolves names', async () => {
    expect((await run(handed(), 'named', { name: 'localhost' })).value).toBe(true)
    expect((await run(handed(), 'named', { name: 'nowhere.invalid' })).value).toMatch(/ENOTFOUND|EAI_AGAIN/)
  })
})
