/**
 * The benchmark: starts a server with the code of `npm start`, deploys `app/` with the official CLI, and drives it from
 * a process of its own on the same machine. `--brief` for CI: seconds instead of minutes, and only what must hold.
 */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { serve } from '@concave/cli'
import { HttpClient } from './http-client.ts'
import type { LoadRequest, LoadResult } from './load.ts'

const run = promisify(execFile)
const here = dirname(fileURLToPath(import.meta.url))
const root = dirname(here)
const isBrief = process.argv.includes('--brief')
const only = process.argv.find((argument) => argument.startsWith('--only='))?.slice('--only='.length)

const accounts = 10_000
const counters = 1000
const seedStep = 1000
const initialBalance = 1_000_000_000
const seconds = isBrief ? 2 : 8
const warmupSeconds = isBrief ? 1 : 2

type Workload = Omit<LoadRequest, 'url' | 'seconds' | 'warmupSeconds'> & { readonly name: string }

const workloads: readonly Workload[] = [
  { name: 'transfer, uniform, 64 clients', workload: 'transfer', clients: 64, records: accounts, alpha: 0 },
  { name: 'transfer, Zipf 1.5, 64 clients', workload: 'transfer', clients: 64, records: accounts, alpha: 1.5 },
  { name: 'one counter, 32 clients', workload: 'increment', clients: 32, records: 1, alpha: 0 },
  { name: 'point read, 1 client', workload: 'read', clients: 1, records: counters, alpha: 0 },
  { name: 'point read, 32 clients', workload: 'read', clients: 32, records: counters, alpha: 0 },
]

const folder = await mkdtemp(join(tmpdir(), 'concave-bench-'))
const server = await serve({
  port: 0,
  host: '127.0.0.1',
  dataDir: join(folder, 'data'),
  bootstrapFile: undefined,
  deploymentPorts: { first: 30_000, last: 31_999 },
  privateFetch: 'auto',
  logLevel: 'warn',
})
let isWrong = false
try {
  const url = await deploy()
  await seed(url)
  for (const { name, ...workload } of workloads) {
    if (only !== undefined && !name.startsWith(only)) continue
    const before = await observe(url)
    const cpuBefore = await serverCpuMicros()
    const result = await load({ ...workload, url, seconds, warmupSeconds })
    const cpuPerCall = ((await serverCpuMicros()) - cpuBefore) / result.answered
    const after = await observe(url)
    const problem = check(workload, result, before, after)
    isWrong ||= problem !== undefined
    const rate = Math.round(result.perSecond).toLocaleString('en')
    const latency = `p50 ${result.p50Ms.toFixed(2)} ms, p99 ${result.p99Ms.toFixed(2)} ms`
    const cpu = `${Math.round(cpuPerCall)} µs CPU`
    console.log(
      [name.padEnd(32), `${rate.padStart(8)}/s`, latency, cpu, `failed ${result.failed}`, problem ?? 'consistent'].join(
        '   ',
      ),
    )
  }
} finally {
  await server.close()
  await rm(folder, { recursive: true, force: true })
}
process.exitCode = isWrong ? 1 : 0

async function deploy(): Promise<string> {
  const { bootstrap } = server
  if (bootstrap === undefined) throw new Error('a fresh data directory starts with a token')
  const post = async (path: string, body: object): Promise<Record<string, string>> => {
    const response = await fetch(`${server.url}/v1${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bootstrap.accessToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(await response.text())
    return (await response.json()) as Record<string, string>
  }
  const project = await post(`/teams/${bootstrap.team.id}/create_project`, {
    projectName: 'Bench',
    deploymentType: 'prod',
  })
  const { deployKey } = await post(`/deployments/${project['deploymentName']}/create_deploy_key`, { name: 'bench' })
  const app = join(folder, 'app')
  await cp(join(here, 'app'), app, { recursive: true })
  await symlink(join(root, 'node_modules'), join(app, 'node_modules'))
  await run(
    process.execPath,
    [join(root, 'node_modules/convex/bin/main.js'), 'deploy', '--typecheck', 'disable', '--codegen', 'disable'],
    {
      cwd: app,
      env: {
        PATH: process.env['PATH'],
        HOME: folder,
        CONVEX_PROVISION_HOST: server.url,
        CONVEX_VERSION_API_ORIGIN: server.url,
        CONVEX_DEPLOY_KEY: deployKey,
      },
    },
  )
  const url = project['deploymentUrl']
  if (url === undefined) throw new Error('the new project has no deployment')
  return url
}

async function seed(url: string): Promise<void> {
  for (let from = 0; from < accounts; from += seedStep) {
    await call(url, 'mutation', 'bench:seed', { table: 'accounts', from, to: from + seedStep })
  }
  await call(url, 'mutation', 'bench:seed', { table: 'counters', from: 0, to: counters })
}

async function load(request: LoadRequest): Promise<LoadResult> {
  const { stdout } = await run(process.execPath, [join(here, 'load.ts'), JSON.stringify(request)])
  return JSON.parse(stdout) as LoadResult
}

/** CPU time of the server so far: this process with its threads, and the runners it started. Linux only; else NaN. */
async function serverCpuMicros(): Promise<number> {
  const { user, system } = process.cpuUsage()
  let micros = user + system
  const microsPerTick = 10_000
  for (const pid of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(pid)) continue
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (Number(fields[1]) === process.pid) micros += (Number(fields[11]) + Number(fields[12])) * microsPerTick
  }
  return micros
}

/** What must hold whatever the speed: all money still there, every acknowledged increment counted. */
async function observe(url: string): Promise<{ readonly money: number; readonly count: number }> {
  let money = 0
  for (let from = 0; from < accounts; from += seedStep) {
    money += Number(await call(url, 'query', 'bench:total', { from, to: from + seedStep }))
  }
  return { money, count: Number(await call(url, 'query', 'bench:read', { key: 0 })) }
}

function check(
  workload: Omit<Workload, 'name'>,
  result: LoadResult,
  before: { readonly money: number; readonly count: number },
  after: { readonly money: number; readonly count: number },
): string | undefined {
  if (result.failed > 0) return `${result.failed} FAILED`
  if (after.money !== accounts * initialBalance) return `MONEY LOST: ${after.money - accounts * initialBalance}`
  const counted = after.count - before.count
  if (workload.workload === 'increment' && counted !== result.acknowledged) {
    return `LOST UPDATES: ${result.acknowledged} acknowledged, ${counted} counted`
  }
  return undefined
}

async function call(url: string, kind: 'query' | 'mutation', path: string, args: object): Promise<unknown> {
  const client = await HttpClient.connect(url)
  const answer = JSON.parse(
    await client.post(`/api/${kind}`, JSON.stringify({ path, format: 'json', args: [args] })),
  ) as {
    status: string
    value?: unknown
    errorMessage?: string
  }
  client.close()
  if (answer.status !== 'success') throw new Error(answer.errorMessage)
  return answer.value
}
