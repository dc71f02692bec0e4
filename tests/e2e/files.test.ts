// File storage of a pushed app: uploads, downloads, what functions see of files, files stored by mutations.
import { createHash } from 'node:crypto'
import { startTestServer, type TestServer } from '@concave/testing'
import { ConvexClient, ConvexHttpClient } from 'convex/browser'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { files, upload } from './files-api.ts'
import { fixtureFolder } from './fixtures.ts'
import { pushApp, type PushedApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

let server: TestServer
let app: PushedApp
let client: ConvexHttpClient
beforeAll(async () => {
  server = await startTestServer()
  app = await pushApp(server, { folder: fixtureFolder('files') })
  client = new ConvexHttpClient(app.url, { logger: false })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const sha256 = (content: string | Uint8Array, encoding: 'hex' | 'base64'): string =>
  createHash('sha256').update(content).digest(encoding)

const uploadUrl = async (): Promise<string> => (await client.mutation(files.uploadUrl, {})) as string

/** The id of a new file. */
async function uploaded(content: BodyInit, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const { status, body } = await upload(await uploadUrl(), content, headers)
  expect({ status, body }).toEqual({ status: 200, body: { storageId: expect.stringMatching(/^kg2/) } })
  return body.storageId as string
}

const urlOf = async (id: string): Promise<string> => (await client.query(files.url, { id })) as string

describe('an upload', () => {
  it('is a file that its URL gives back, with its type and digest', async () => {
    const content = 'ä file with text'
    const id = await uploaded(content, { 'content-type': 'text/plain; charset=utf-8' })
    const url = await urlOf(id)
    expect(url).toMatch(new RegExp(`^${app.url}/api/storage/[0-9a-f-]{36}$`))
    const response = await fetch(url)
    expect(await response.text()).toBe(content)
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-length': String(Buffer.byteLength(content)),
      'accept-ranges': 'bytes',
      'cache-control': 'private, max-age=2592000',
      digest: `sha-256=${sha256(content, 'base64')}`,
      etag: `"${sha256(content, 'hex')}"`,
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringContaining('sandbox'),
    })
  })
})
