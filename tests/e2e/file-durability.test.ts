// Files and the server as a process: memory while large files pass through, and what is left after a kill.
import { createHash } from 'node:crypto'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  makeTemporaryFolder,
  pickPortRange,
  readBootstrapFile,
  type ServerProcess,
  startServerProcess,
  waitFor,
} from '@concave/testing'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { upload } from './files-api.ts'
import { fixtureFolder } from './fixtures.ts'
import { mutation, query } from './http-calls.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const mebibyte = 1_048_576
const chunkBytes = 256 * 1024

const deploymentPorts = pickPortRange()
let folder: string
let server: ServerProcess
let port = 0
let app: PushedApp

const start = async (): Promise<void> => {
  const bootstrapFile = join(folder, 'bootstrap.json')
  server = await startServerProcess({ dataDir: join(folder, 'data'), port, deploymentPorts, bootstrapFile })
  port = Number(new URL(server.url).port)
}

beforeAll(async () => {
  folder = await makeTemporaryFolder('files')
  await start()
  app = await pushApp(await readBootstrapFile(join(folder, 'bootstrap.json')), { folder: fixtureFolder('files') })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

const uploadUrl = async (): Promise<string> => (await mutation(app.url, 'files:uploadUrl')) as string
const urlOf = async (id: string): Promise<string> => (await query(app.url, 'files:url', { id })) as string

/** `sizeBytes` of content, made as it is read; `hash` learns all of it. */
function generated(sizeBytes: number, hash: ReturnType<typeof createHash>): ReadableStream {
  let sent = 0
  return new ReadableStream({
    pull: (controller) => {
      if (sent >= sizeBytes) {
        controller.close()
        return
      }
      const chunk = Buffer.alloc(chunkBytes, sent / chunkBytes)
      chunk.writeUInt32LE(sent)
      sent += chunk.length
      hash.update(chunk)
      controller.enqueue(chunk)
    },
  })
}

/** Content that begins and goes no further. */
function stalling(): ReadableStream {
  return new ReadableStream({
    start: (controller) => controller.enqueue(new Uint8Array(mebibyte)),
    pull: () => new Promise(() => undefined),
  })
}

/** Peak and present memory of the server, in MiB, as Linux counts it. */
async function memoryOf(): Promise<{ readonly peakMiB: number; readonly nowMiB: number }> {
  const status = await readFile(`/proc/${server.process.pid}/status`, 'utf8')
  const read = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
  return { peakMiB: read('VmHWM'), nowMiB: read('VmRSS') }
}

/** By how much the server's memory rises above what it was while `run` runs. */
async function memoryGrowth(run: () => Promise<void>): Promise<number> {
  await writeFile(`/proc/${server.process.pid}/clear_refs`, '5')
  const before = await memoryOf()
  await run()
  return (await memoryOf()).peakMiB - before.nowMiB
}

it.runIf(process.platform === 'linux')('takes and gives a file of 256 MiB without holding it in memory', async () => {
  const sizeBytes = 256 * mebibyte
  const maxGrowthMiB = 80
  // Whatever is loaded once is loaded.
  const first = await upload(await uploadUrl(), generated(8 * mebibyte, createHash('sha256')))
  await (await fetch(await urlOf(first.body.storageId as string))).bytes()

  const hash = createHash('sha256')
  let id = ''
  const uploadGrowth = await memoryGrowth(async () => {
    const { status, body } = await upload(await uploadUrl(), generated(sizeBytes, hash))
    expect(status).toBe(200)
    id = body.storageId as string
  })
  const sha256 = hash.digest('base64')
  expect(await query(app.url, 'files:document', { id })).toMatchObject({ size: sizeBytes, sha256 })

  const received = createHash('sha256')
  const downloadGrowth = await memoryGrowth(async () => {
    const response = await fetch(await urlOf(id))
    for await (const chunk of response.body ?? []) received.update(chunk as Uint8Array)
  })
  expect(received.digest('base64')).toBe(sha256)

  // A client that asks for everything and takes nothing.
  const idleGrowth = await memoryGrowth(async () => {
    const controller = new AbortController()
    const responses = await Promise.all(
      Array.from({ length: 8 }, async () => await fetch(await urlOf(id), { signal: controller.signal })),
    )
    const part = await fetch(await urlOf(id), { headers: { range: `bytes=${sizeBytes - 10}-` } })
    expect((await part.bytes()).length).toBe(10)
    controller.abort()
    expect(responses.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200))
  })
  expect(Math.max(uploadGrowth, downloadGrowth, idleGrowth)).toBeLessThan(maxGrowthMiB)
})

it('loses no file that was acknowledged, and keeps no part of one that was not', async () => {
  const contents = new Map<string, string>()
  let isOver = false
  const work = async (name: string): Promise<void> => {
    for (let count = 0; !isOver; count += 1) {
      const content = `${name} ${count} `.repeat(1 + ((count * 997) % 20_000))
      const { status, body } = await upload(await uploadUrl(), content)
      if (status === 200) contents.set(body.storageId as string, content)
    }
  }
  const stored = async (name: string): Promise<void> => {
    for (let count = 0; !isOver; count += 1) {
      const text = `${name} ${count}`
      contents.set((await mutation(app.url, 'files:store', { text })) as string, text)
    }
  }
  // One that will never end.
  const endless = upload(await uploadUrl(), stalling())
  const workers = Promise.allSettled([endless, work('a'), work('b'), stored('c')])
  await waitFor('files before the end', () => (contents.size >= 40 ? true : undefined))
  const exit = server.stop('SIGKILL')
  isOver = true
  await exit
  await workers

  await start()
  for (const [id, content] of contents) {
    const response = await fetch(await urlOf(id))
    expect([response.status, await response.text()]).toEqual([200, content])
  }
  const files = join(folder, 'data', 'deployments', app.deploymentName, 'files')
  expect(await readdir(files)).not.toContain('incoming')
  // Nothing was in the way of what comes next.
  const { status } = await upload(await uploadUrl(), 'after the kill')
  expect(status).toBe(200)
})
