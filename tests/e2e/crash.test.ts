// A server that is killed again and again at random moments while clients write, upload, store and schedule: what it
// acknowledged is there, and nothing is there in part. A failure names its seed: CRASH_SEED=… chooses the same moments, CRASH_ROUNDS=… more of them.
import { createHash, randomInt } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createLog, systemClock, systemRandom } from '@concave/base'
import { Database, type Transaction } from '@concave/database'
import { fileTables } from '@concave/deployment'
import { SqliteStorage } from '@concave/storage'
import {
  makeTemporaryFolder,
  pickPortRange,
  readBootstrapFile,
  type ServerProcess,
  startServerProcess,
  waitFor,
} from '@concave/testing'
import { jsonToConvex, type JSONValue } from 'convex/values'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { CrashWorkload, seededRandom } from './crash-workload.ts'
import { fixtureFolder } from './fixtures.ts'
import { post, query } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'

const rounds = Number(process.env['CRASH_ROUNDS'] ?? 6)

// Each start takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 + rounds * 20_000 })

const maxAcknowledgedPerRound = 120
const cronIntervalMs = 1000
const maxDelayMs = 50
const seed = Number(process.env['CRASH_SEED'] ?? randomInt(2 ** 31))

type Run = { readonly name: string; readonly part: string; readonly at: number }
type Job = {
  readonly name: string
  readonly kind: 'mutation' | 'action'
  readonly state: { readonly kind: string; readonly error?: string }
}
type Tally = {
  readonly notes: readonly string[]
  readonly count: number
  readonly files: readonly { readonly name: string; readonly file: string }[]
  readonly jobs: readonly Job[]
  readonly runs: readonly Run[]
}
type StoredFile = { readonly id: string; readonly sha256: string; readonly url: string }

/** Kind, state, error, and the parts that were run. */
const jobOutcomes: ReadonlySet<string> = new Set([
  'mutation success mutation',
  'action success begun ended',
  'action failed Transient error while executing action',
  'action failed Transient error while executing action begun',
  'action failed Transient error while executing action begun ended',
])

const deploymentPorts = pickPortRange()
let folder: string
let server: ServerProcess
let port = 0
let app: PushedApp

const start = async (): Promise<void> => {
  const dataDir = join(folder, 'data')
  server = await startServerProcess({ dataDir, port, deploymentPorts, bootstrapFile: join(folder, 'bootstrap.json') })
  port = Number(new URL(server.url).port)
}

beforeAll(async () => {
  folder = await makeTemporaryFolder('crash')
  await start()
  const bootstrap = await readBootstrapFile(join(folder, 'bootstrap.json'))
  app = await pushApp(bootstrap, { folder: fixtureFolder('durable') })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

const readTally = async (): Promise<Tally> => (await query(app.url, 'work:tally')) as Tally

describe(`kill -9 at random moments (seed ${seed})`, () => {
  let workload: CrashWorkload
  let tally: Tally
  let stored: readonly StoredFile[]

  beforeAll(async () => {
    const random = seededRandom(seed)
    workload = new CrashWorkload({ url: app.url, random })
    for (let round = 0; round < rounds; round += 1) {
      // Often early, when the server is still busy with what it found.
      const until = workload.size + Math.floor(maxAcknowledgedPerRound * random() ** 2)
      await waitFor('acknowledged work', () => (workload.size >= until ? true : undefined), 60_000)
      await delay(maxDelayMs * random())
      await server.stop('SIGKILL')
      await start()
    }
    await workload.end()
    await waitFor(
      'the end of all jobs',
      async () => ((await query(app.url, 'work:openJobs')) === 0 ? true : undefined),
      60_000,
    )
    tally = await readTally()
    stored = (await query(app.url, 'work:allFiles')) as StoredFile[]
  })

  it('loses no write that was acknowledged, and repeats none', () => {
    expect(new Set(tally.notes).size).toBe(tally.notes.length)
    expect(tally.count).toBe(tally.notes.length)
    expect(new Set(tally.notes)).toEqual(workload.acknowledged.notes)
  })

  it('loses no file, and shows none in part', async () => {
    const { files, forgotten } = workload.acknowledged
    const digests = new Map(stored.map(({ id, sha256 }) => [id, sha256]))
    for (const [id, sha256] of files) expect([id, digests.get(id)]).toEqual([id, sha256])
    for (const id of forgotten) expect(digests.has(id)).toBe(false)
    for (const { file } of tally.files) expect([file, digests.has(file)]).toEqual([file, true])
    for (const { sha256, url } of stored) {
      const response = await fetch(url)
      const content = await response.bytes()
      expect([response.status, createHash('sha256').update(content).digest('base64')]).toEqual([200, sha256])
    }
  })

  it('runs each scheduled mutation exactly once, and each scheduled action at most once', () => {
    const runs = Map.groupBy(tally.runs, ({ name }) => name)
    const partsOf = (name: string): readonly string[] => (runs.get(name) ?? []).map(({ part }) => part)
    const jobs = new Map(tally.jobs.map((job) => [job.name, job]))
    expect(jobs.size).toBe(tally.jobs.length)
    for (const name of workload.acknowledged.jobs.keys()) expect([name, jobs.has(name)]).toEqual([name, true])
    const outcomes = tally.jobs.map(({ name, kind, state }) =>
      [kind, state.kind, state.error ?? '', ...partsOf(name)].join(' ').replaceAll(/ +/g, ' '),
    )
    expect(outcomes.filter((outcome) => !jobOutcomes.has(outcome))).toEqual([])
    expect(outcomes).toContain('mutation success mutation')
    expect(outcomes).toContain('action success begun ended')
    for (const name of runs.keys())
      expect([name, jobs.has(name) || name === 'pulse' || name === 'beat']).toEqual([name, true])
  })

  it('runs each occurrence of a cron job at most once, and goes on with them', async () => {
    const partsOf = ({ runs }: Tally, name: string, part: string): readonly number[] =>
      runs.filter((run) => run.name === name && run.part === part).map(({ at }) => at)
    const phases = await readCronPhases()
    for (const [name, part] of [
      ['pulse', 'mutation'],
      ['beat', 'begun'],
    ] as const) {
      // One that is late lets those pass that it has missed, so no two lie between the same due times.
      const times = partsOf(tally, name, part)
      const occurrences = times.map((at) => Math.floor((at - (phases.get(name) as number)) / cronIntervalMs))
      expect(occurrences.length).toBeGreaterThan(rounds / 2)
      expect(new Set(occurrences).size).toBe(occurrences.length)
    }
    expect(partsOf(tally, 'beat', 'ended').length).toBeLessThanOrEqual(partsOf(tally, 'beat', 'begun').length)
    await waitFor('further occurrences', async () => {
      const later = await readTally()
      const isOn = (name: string, part: string): boolean =>
        partsOf(later, name, part).length > partsOf(tally, name, part).length
      return isOn('pulse', 'mutation') && isOn('beat', 'ended') ? true : undefined
    })
  })

  it('keeps a record of every blob, and a blob of every record', async () => {
    await server.stop('SIGKILL')
    const place = join(folder, 'data', 'deployments', app.deploymentName)
    const records = await readBlobRecords(join(place, 'data.sqlite'))
    const blobs = await listBlobs(join(place, 'files'))
    expect(records.owned.size).toBeGreaterThan(0)
    expect([...records.owned].filter((key) => !blobs.has(key))).toEqual([])
    expect([...blobs].filter((key) => !records.owned.has(key) && !records.announced.has(key))).toEqual([])
  })
})

/** At which part of their interval the jobs' occurrences are due, in ms, as their runs say. */
async function readCronPhases(): Promise<ReadonlyMap<string, number>> {
  const body = { path: '_system/frontend/listCronJobRuns', args: {}, format: 'convex_encoded_json' }
  const { value } = (await post(app.url, '/api/query', body, { key: app.deployKey })).body
  const runs = jsonToConvex(value as JSONValue) as unknown as readonly { readonly name: string; readonly ts: bigint }[]
  return new Map(runs.map(({ name, ts }) => [name, Number(ts / 1_000_000n) % cronIntervalMs]))
}

/** Keys of blobs that files have, and of those that wait to be freed or have just arrived. */
async function readBlobRecords(
  path: string,
): Promise<{ readonly owned: ReadonlySet<string>; readonly announced: ReadonlySet<string> }> {
  const log = createLog({ level: 'silent' })
  const storage = new SqliteStorage({ path })
  const database = await Database.open({ storage, clock: systemClock, random: systemRandom, log, tables: fileTables })
  try {
    const tx = database.begin('query')
    return { owned: await readKeys(tx, '_file_storage'), announced: await readKeys(tx, '_unowned_blobs') }
  } finally {
    await database.close()
  }
}

async function readKeys(tx: Transaction, tableName: string): Promise<ReadonlySet<string>> {
  const source = { type: 'FullTableScan', tableName, order: 'asc' }
  const cursor = tx.openCursor({ source, operators: [] }, { scope: 'private' })
  const keys = new Set<string>()
  for (let isDone = false; !isDone;) {
    const page = await cursor.nextPage(100)
    for (const text of page.rows) keys.add((JSON.parse(text) as { readonly storageKey: string }).storageKey)
    isDone = page.done
  }
  cursor.close()
  return keys
}

async function listBlobs(folder: string): Promise<ReadonlySet<string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  // What is in `incoming` is thrown away at the next start.
  const blobs = entries.filter((entry) => entry.isFile() && !entry.parentPath.endsWith('incoming'))
  return new Set(blobs.map(({ name }) => name))
}
