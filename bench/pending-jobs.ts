/**
 * What pending scheduled functions cost while they wait: resident memory and idle CPU of the server with none and with
 * `--jobs=` of them (a million), after a restart each. The jobs are written into the deployment's own database while the
 * server is stopped. `node_modules/.bin/node bench/pending-jobs.ts`, on an otherwise idle machine.
 */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createLog, systemClock, systemRandom } from '@concave/base'
import { Collection, Database } from '@concave/database'
import { CommitterPool, SqliteStorage } from '@concave/storage'
import {
  createProject,
  makeTemporaryFolder,
  pickPortRange,
  readBootstrapFile,
  type ServerProcess,
  startServerProcess,
} from '@concave/testing'

const jobCount = Number(process.argv.find((argument) => argument.startsWith('--jobs='))?.slice(7) ?? 1_000_000)
const jobsPerCommit = 1000
const settleMs = 5000
const watchMs = 20_000
const clockTickMs = 10

type Job = {
  readonly udfPath: string
  readonly args: string
  readonly originalScheduledTs: bigint
  readonly nextTs: bigint
  readonly state: { readonly type: 'pending' }
}

const folder = await makeTemporaryFolder('pending-jobs')
const dataDir = join(folder, 'data')
const bootstrapFile = join(folder, 'bootstrap.json')
const deploymentPorts = pickPortRange()
const start = async (): Promise<ServerProcess> =>
  await startServerProcess({ dataDir, port: 0, deploymentPorts, bootstrapFile })

let server = await start()
const { deploymentName, deploymentUrl } = await createProject(await readBootstrapFile(bootstrapFile))
await measure('none')
await server.stop()
await seed()
for (const round of ['first', 'second']) {
  server = await start()
  await measure(`${jobCount.toLocaleString('en')}, ${round} start`)
  await server.stop()
}
await rm(folder, { recursive: true, force: true })

/** The deployment is open, but nobody uses it. */
async function measure(what: string): Promise<void> {
  await (await fetch(`${deploymentUrl}/api/query_ts`, { method: 'POST' })).text()
  await delay(settleMs)
  const before = await cpuMs()
  await delay(watchMs)
  const idleMs = (await cpuMs()) - before
  const status = await readFile(`/proc/${server.process.pid}/status`, 'utf8')
  const residentKb = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1])
  console.log(`${what.padEnd(28)} ${Math.round(residentKb / 1024)} MiB   ${idleMs} ms CPU in ${watchMs / 1000} s`)
}

async function cpuMs(): Promise<number> {
  const stat = await readFile(`/proc/${server.process.pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * clockTickMs
}

async function seed(): Promise<void> {
  const log = createLog({ level: 'error' })
  const pool = new CommitterPool({ log })
  const path = join(dataDir, 'deployments', deploymentName, 'data.sqlite')
  const storage = new SqliteStorage({ path, pool })
  const database = await Database.open({ storage, clock: systemClock, random: systemRandom, log })
  const jobs = new Collection<Job>('_scheduled_jobs')
  const firstTs = systemClock.nowNs() + 86_400_000_000_000n
  for (let done = 0; done < jobCount; done += jobsPerCommit) {
    await database.mutate('seed', async (tx) => {
      for (let position = 0; position < jobsPerCommit; position += 1) {
        const ts = firstTs + BigInt(done + position) * 1_000_000n
        const times = { originalScheduledTs: ts, nextTs: ts }
        await jobs.insert(tx, { udfPath: 'm.js:f', args: '{"n":1}', ...times, state: { type: 'pending' } })
      }
    })
  }
  await database.close()
  await pool.close()
}
