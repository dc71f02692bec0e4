// File storage of a pushed app: uploads, downloads, what functions see of files, files stored by mutations.
import { createHash } from 'node:crypto'
import { startTestServer, type TestServer } from '@concave/testing'
import { ConvexClient, ConvexHttpClient } from 'convex/browser'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Content, files, upload } from './files-api.ts'
import { fixtureFolder } from './fixtures.ts'
import { post } from './http-calls.ts'
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
async function uploaded(content: Content, headers: Readonly<Record<string, string>> = {}): Promise<string> {
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

  it('may have no type, no content, and any bytes', async () => {
    const empty = await uploaded(new Uint8Array(0))
    expect(await client.query(files.document, { id: empty })).toEqual({
      _id: empty,
      _creationTime: expect.any(Number),
      sha256: sha256('', 'base64'),
      size: 0,
    })
    const response = await fetch(await urlOf(empty))
    expect(response.headers.get('content-type')).toBe('application/octet-stream')
    expect((await response.bytes()).length).toBe(0)

    const bytes = new Uint8Array(300_000).map((_, position) => position * 31)
    const id = await uploaded(bytes, { 'content-type': 'application/x-anything' })
    expect(Buffer.compare(await (await fetch(await urlOf(id))).bytes(), bytes)).toBe(0)
  })

  it('may be streamed without a length', async () => {
    const parts = ['one ', 'two ', 'three']
    const stream = new ReadableStream({
      pull: (controller) => {
        const part = parts.shift()
        if (part === undefined) controller.close()
        else controller.enqueue(new TextEncoder().encode(part))
      },
    })
    const id = await uploaded(stream)
    expect(await (await fetch(await urlOf(id))).text()).toBe('one two three')
  })

  it('is stored as it is sent, encoded or not', async () => {
    const id = await uploaded('not gzip at all', { 'content-encoding': 'gzip' })
    expect(await (await fetch(await urlOf(id))).text()).toBe('not gzip at all')
  })

  it('is checked against the digest that comes with it', async () => {
    const before = await client.query(files.count, {})
    for (const digest of [
      `sha-256=${sha256('right', 'base64')}`,
      `SHA-256=${sha256('right', 'base64')}`,
      `sha-256=${sha256('right', 'hex')}`,
      `md5=AAAA, sha-256=${sha256('right', 'base64')}`,
    ]) {
      await uploaded('right', { digest })
      expect(await upload(await uploadUrl(), 'wrong', { digest })).toMatchObject({
        status: 400,
        body: { code: 'Sha256Mismatch', message: expect.stringContaining(sha256('wrong', 'base64')) },
      })
    }
    for (const digest of ['sha-256=short', 'md5=AAAA', 'nothing', '']) {
      expect(await upload(await uploadUrl(), 'x', { digest })).toMatchObject({
        status: 400,
        body: { code: 'BadHeader' },
      })
    }
    expect(await client.query(files.count, {})).toBe((before as number) + 4)
  })

  it('needs the token that a mutation made, as often as it likes', async () => {
    const url = await uploadUrl()
    const [first, second] = [await upload(url, 'one'), await upload(url, 'two')]
    expect(first.status).toBe(200)
    expect(second.status).toBe(200)
    expect(first.body.storageId).not.toBe(second.body.storageId)

    const endpoint = `${app.url}/api/storage/upload`
    const token = new URL(url).searchParams.get('token') as string
    const forged = Buffer.from(token, 'base64url')
    forged[7] = (forged[7] as number) ^ 1
    const refused = async (query: string): Promise<unknown> => {
      const { status, body } = await upload(`${endpoint}${query}`, 'x')
      return [status, body.code]
    }
    expect(await refused('')).toEqual([401, 'InvalidStorageToken'])
    expect(await refused('?token=')).toEqual([401, 'InvalidStorageToken'])
    expect(await refused('?token=abc')).toEqual([401, 'InvalidStorageToken'])
    expect(await refused(`?token=${token}A`)).toEqual([401, 'InvalidStorageToken'])
    expect(await refused(`?token=${forged.toString('base64url')}`)).toEqual([401, 'StorageTokenInvalid'])
  })

  it('of another deployment needs its own token', async () => {
    await using other = await pushApp(server, { folder: fixtureFolder('files'), name: 'Other' })
    const { search } = new URL(await uploadUrl())
    expect(await upload(`${other.url}/api/storage/upload${search}`, 'x')).toMatchObject({
      status: 401,
      body: { code: 'StorageTokenInvalid' },
    })
  })

  it('can be made by a page of any origin', async () => {
    const origin = 'https://app.example'
    const preflight = await fetch(await uploadUrl(), {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type, digest',
      },
    })
    expect(preflight.status).toBe(204)
    expect(Object.fromEntries(preflight.headers)).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-headers': 'content-type, digest',
      'access-control-allow-methods': expect.stringContaining('POST'),
    })
    const posted = await fetch(await uploadUrl(), { method: 'POST', headers: { origin }, body: 'x' })
    expect([posted.status, posted.headers.get('access-control-allow-origin')]).toEqual([200, origin])
  })

  it('that breaks off leaves no file', async () => {
    const before = await client.query(files.count, {})
    const sent = Promise.withResolvers<void>()
    const controller = new AbortController()
    const stream = new ReadableStream({
      pull: (stream) => {
        stream.enqueue(new Uint8Array(100_000))
        sent.resolve()
        return new Promise(() => undefined)
      },
    })
    const init = { method: 'POST', body: stream, duplex: 'half', signal: controller.signal }
    const post = fetch(await uploadUrl(), init as RequestInit)
    await sent.promise
    controller.abort()
    await expect(post).rejects.toThrow('aborted')
    // Later uploads are not in its way.
    await uploaded('after it')
    expect(await client.query(files.count, {})).toBe((before as number) + 1)
  })
})

describe('a download', () => {
  const content = 'abcdefghijklmnopqrstuvwxyz'
  let url: string
  beforeAll(async () => {
    url = await urlOf(await uploaded(content, { 'content-type': 'text/plain' }))
  })

  it.each([
    ['bytes=0-4', 'abcde', '0-4'],
    ['bytes=3-', content.slice(3), '3-25'],
    ['bytes=-5', 'vwxyz', '21-25'],
    ['bytes=-100', content, '0-25'],
    ['bytes=20-1000', 'uvwxyz', '20-25'],
    ['Bytes=25-25', 'z', '25-25'],
  ])('of the range %s is a part', async (range, part, shown) => {
    const response = await fetch(url, { headers: { range } })
    expect([response.status, await response.text()]).toEqual([206, part])
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-range': `bytes ${shown}/26`,
      'content-length': String(part.length),
      'content-type': 'text/plain',
      digest: `sha-256=${sha256(content, 'base64')}`,
    })
  })

  it.each(['bytes=26-', 'bytes=100-200', 'bytes=-0', 'bytes=0-1,4-5', 'bytes=0-1,'])(
    'of the range %s is refused',
    async (range) => {
      const response = await fetch(url, { headers: { range } })
      expect([response.status, response.headers.get('content-range')]).toEqual([416, 'bytes */26'])
      expect(await response.json()).toMatchObject({ code: 'RangeNotSatisfiable' })
    },
  )

  it.each(['lines=1-2', 'bytes=5-2', 'bytes=a-b', 'bytes=-', 'bytes'])('ignores the range %s', async (range) => {
    const response = await fetch(url, { headers: { range } })
    expect([response.status, await response.text()]).toEqual([200, content])
  })

  it('knows what the client has', async () => {
    const etag = `"${sha256(content, 'hex')}"`
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const response = await fetch(url, { headers: { 'if-none-match': known } })
      expect([response.status, response.headers.get('etag'), await response.text()]).toEqual([304, etag, ''])
    }
    expect((await fetch(url, { headers: { 'if-none-match': '"other"' } })).status).toBe(200)
    const range = 'bytes=1-2'
    expect((await fetch(url, { headers: { range, 'if-range': etag } })).status).toBe(206)
    expect((await fetch(url, { headers: { range, 'if-range': '"other"' } })).status).toBe(200)
  })

  it('by HEAD is what GET would say', async () => {
    const head = await fetch(url, { method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
    const get = await fetch(url)
    await get.text()
    const kept = (headers: Headers): object =>
      Object.fromEntries(
        [...headers].filter(([name]) => !['date', 'x-request-id', 'connection', 'keep-alive'].includes(name)),
      )
    expect(kept(head.headers)).toEqual(kept(get.headers))
    const part = await fetch(url, { method: 'HEAD', headers: { range: 'bytes=0-1' } })
    expect([part.status, part.headers.get('content-length')]).toEqual([206, '2'])
  })

  it.each([
    ['text/html', true],
    ['image/svg+xml', true],
    ['application/pdf-like', true],
    ['Application/PDF; version=1', false],
  ])('of %s runs nothing in our origin', async (contentType, isSandboxed) => {
    const response = await fetch(await urlOf(await uploaded('x', { 'content-type': contentType })))
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    expect(response.headers.has('content-security-policy')).toBe(isSandboxed)
  })

  it('needs the UUID of a file that exists', async () => {
    const id = await uploaded('secret')
    const answer = async (path: string): Promise<unknown> => {
      const response = await fetch(`${app.url}/api/storage/${path}`)
      return [response.status, ((await response.json()) as { code: string }).code]
    }
    // Ids of documents are handed to browsers; they open nothing.
    expect(await answer(id)).toEqual([400, 'InvalidStoragePath'])
    expect(await answer('upload')).toEqual([400, 'InvalidStoragePath'])
    expect(await answer('..%2f..%2fdata.sqlite')).toEqual([400, 'InvalidStoragePath'])
    expect(await answer('01234567-89ab-cdef-0123-456789abcdef')).toEqual([404, 'FileNotFound'])
    const { pathname } = new URL(await urlOf(id))
    expect(await answer(`${pathname.split('/').at(-1)}?component=other`)).toEqual([404, 'FileNotFound'])
  })
})

describe('functions', () => {
  it('see files as documents of _storage, without what is private', async () => {
    const id = await uploaded('one', { 'content-type': 'text/x-one' })
    const one = {
      _id: id,
      _creationTime: expect.any(Number),
      contentType: 'text/x-one',
      sha256: sha256('one', 'base64'),
      size: 3,
    }
    expect(await client.query(files.document, { id })).toEqual(one)
    expect(await client.query(files.withContentType, { contentType: 'text/x-one' })).toEqual([one])
    expect(await client.query(files.withPrivateField, {})).toBe(0)
    const ascending = (await client.query(files.list, { order: 'asc' })) as { readonly _id: string }[]
    expect(ascending.at(-1)).toEqual(one)
    expect(await client.query(files.list, { order: 'desc' })).toEqual(ascending.toReversed())
    for (const file of ascending) expect(Object.keys(file)).not.toContain('storageId')
    const page = await client.query(files.page, { paginationOpts: { numItems: 2, cursor: null } })
    expect(page).toMatchObject({ page: ascending.slice(0, 2), isDone: false })
    expect(await client.query(files.normalized, { text: id })).toBe(id)
  })

  it('and the CLI show them alike', async () => {
    const id = await uploaded('for the command line', { 'content-type': 'text/x-cli' })
    const shown = await app.cli.succeed('data', '_storage', '--limit', '1', '--format', 'jsonLines')
    expect(JSON.parse(shown.stdout)).toEqual(await client.query(files.document, { id }))
  })

  it('know files by the older id too', async () => {
    const id = await uploaded('old', { 'content-type': 'text/x-old' })
    const metadata = (await client.query(files.metadata, { id })) as { readonly storageId: string }
    expect(metadata).toEqual({
      storageId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      sha256: sha256('old', 'hex'),
      size: 3,
      contentType: 'text/x-old',
    })
    const { storageId } = metadata
    expect(await client.query(files.metadata, { id: storageId })).toEqual(metadata)
    expect(await urlOf(storageId)).toBe(await urlOf(id))
    await client.mutation(files.remove, { id: storageId })
    expect(await client.query(files.document, { id })).toBeNull()
    expect(await client.query(files.metadata, { id })).toBeNull()
    expect(await urlOf(storageId)).toBeNull()
  })

  it('get several URLs at once', async () => {
    const ids = [await uploaded('1'), await uploaded('2'), await uploaded('3')]
    await client.mutation(files.remove, { id: ids[1] as string })
    const urls = (await client.query(files.urls, { ids })) as string[]
    expect(urls).toEqual([await urlOf(ids[0] as string), null, await urlOf(ids[2] as string)])
    expect(new Set(urls).size).toBe(3)
  })

  it('are told what is wrong with an id', async () => {
    const file = await uploaded('x')
    const picture = (await client.mutation(files.addPicture, { title: 'x', file })) as string
    await expect(client.query(files.url, { id: picture })).rejects.toThrow(
      "Invalid storage ID. Storage ID cannot be an ID on any table other than '_storage'.",
    )
    await expect(client.query(files.url, { id: 'nonsense' })).rejects.toThrow(
      'Invalid argument `storageId` for `storage.getUrl`: ',
    )
    await client.mutation(files.remove, { id: file })
    await expect(client.mutation(files.remove, { id: file })).rejects.toThrow(`storage id ${file} not found`)
    await expect(client.mutation(files.addPicture, { title: 'x', file: picture })).rejects.toThrow(
      'ArgumentValidationError',
    )
  })

  it('delete files as part of the transaction', async () => {
    const id = await uploaded('still there')
    const url = await urlOf(id)
    await expect(client.mutation(files.removeThenFail, { id })).rejects.toThrow('url after the deletion: null')
    expect(await (await fetch(url)).text()).toBe('still there')
    await client.mutation(files.remove, { id })
    expect((await fetch(url)).status).toBe(404)
  })

  it('learn of uploads and deletions as of any other write', async () => {
    const watching = new ConvexClient(app.url, { logger: false })
    const counts: number[] = []
    const urls: (string | null)[] = []
    const id = await uploaded('watched')
    const stopUrls = watching.onUpdate(files.url, { id }, (url) => urls.push(url as string | null))
    const stopCounts = watching.onUpdate(files.count, {}, (count) => counts.push(count as number))
    await vi.waitFor(() => expect([urls.length, counts.length]).toEqual([1, 1]))
    await uploaded('another')
    await vi.waitFor(() => expect(counts.at(-1)).toBe((counts[0] as number) + 1))
    await client.mutation(files.remove, { id })
    await vi.waitFor(() => expect([urls, counts.at(-1)]).toEqual([[urls[0], null], counts[0]]))
    stopUrls()
    stopCounts()
    await watching.close()
  })
})

describe('a mutation that stores', () => {
  it('has a file when it commits', async () => {
    const id = (await client.mutation(files.store, { text: 'from a mutation', type: 'text/plain' })) as string
    const response = await fetch(await urlOf(id))
    expect([await response.text(), response.headers.get('content-type')]).toEqual(['from a mutation', 'text/plain'])
    expect(await client.query(files.document, { id })).toMatchObject({
      size: 15,
      sha256: sha256('from a mutation', 'base64'),
    })
    expect(
      await client.query(files.document, { id: await client.mutation(files.store, { text: '' }) }),
    ).not.toHaveProperty('contentType')
  })

  it('sees and reads its file before, and is told what that costs', async () => {
    const limit = 16 * 1024 * 1024
    const result = (await client.mutation(files.storeAndLook, { text: 'look' })) as { id: string; url: string }
    expect(result).toMatchObject({
      text: 'look',
      type: 'text/plain',
      metadata: { sha256: sha256('look', 'hex'), size: 4, contentType: 'text/plain' },
      document: { _id: result.id, size: 4 },
      metrics: {
        filesWritten: { used: 1 },
        fileWriteBytes: { used: 4, remaining: limit - 4 },
        filesRead: { used: 1 },
        fileReadBytes: { used: 4, remaining: limit - 4 },
      },
    })
    expect(await (await fetch(result.url)).text()).toBe('look')
  })

  it('reads files of others', async () => {
    const id = await uploaded('written by a client', { 'content-type': 'text/plain' })
    expect(await client.mutation(files.read, { id })).toMatchObject({
      text: 'written by a client',
      type: 'text/plain',
      metrics: { filesRead: { used: 1 }, fileReadBytes: { used: 19 }, filesWritten: { used: 0 } },
    })
    await client.mutation(files.remove, { id })
    expect(await client.mutation(files.read, { id })).toBeNull()
  })

  it('is refused a digest that is not the content’s', async () => {
    await client.mutation(files.store, { text: 'right', sha256: sha256('right', 'base64') })
    await client.mutation(files.store, { text: 'right', sha256: sha256('right', 'hex') })
    await expect(client.mutation(files.store, { text: 'wrong', sha256: sha256('right', 'base64') })).rejects.toThrow(
      "The content's SHA-256 is",
    )
  })

  it('leaves nothing when it, or a nested one, fails or deletes its file again', async () => {
    const before = (await client.query(files.count, {})) as number
    await expect(client.mutation(files.storeThenFail, { text: 'x' })).rejects.toThrow('after the store')
    expect(await client.mutation(files.storeThenDelete, { text: 'x' })).toBeNull()
    expect(await client.query(files.count, {})).toBe(before)
    const kept = (await client.mutation(files.surviveNestedFailure, {})) as string
    expect(await client.query(files.count, {})).toBe(before + 1)
    expect(await (await fetch(await urlOf(kept))).text()).toBe('kept')
  })

  it('keeps to the limits it was called with', async () => {
    await expect(client.mutation(files.storeWithin, { text: '12345', fileWriteBytes: 9 })).rejects.toThrow(
      'Too many bytes of files written in a single function execution (limit: 9 bytes)',
    )
    await expect(client.mutation(files.storeWithin, { text: '12345', filesWritten: 1 })).rejects.toThrow(
      'Too many files written in a single function execution (limit: 1)',
    )
    await expect(client.mutation(files.storeWithin, { text: '12345', filesRead: 1 })).rejects.toThrow(
      'Too many files read in a single function execution (limit: 1)',
    )
    await client.mutation(files.storeWithin, { text: '12345', fileWriteBytes: 10, filesWritten: 2, filesRead: 2 })
  })

  const maxBytes = 16 * 1024 * 1024
  // Several in a row: a runner must not keep what it has passed on.
  it('holds files of up to 16 MiB, each time', async () => {
    const content = Buffer.alloc(maxBytes, 7)
    for (let count = 0; count < 3; count += 1) {
      const id = (await client.mutation(files.storeBytes, { sizeBytes: maxBytes })) as string
      expect(await client.query(files.document, { id })).toMatchObject({
        size: maxBytes,
        sha256: sha256(content, 'base64'),
      })
      expect(await client.mutation(files.readSize, { id })).toBe(maxBytes)
      await client.mutation(files.remove, { id })
    }
  })

  it('is told when a file is larger', async () => {
    await expect(client.mutation(files.storeBytes, { sizeBytes: maxBytes + 1 })).rejects.toThrow(
      `Too many bytes of files written in a single function execution (limit: ${maxBytes} bytes)`,
    )
    const { body } = await upload((await client.mutation(files.uploadUrl, {})) as string, Buffer.alloc(maxBytes + 1))
    await expect(client.mutation(files.readSize, { id: body.storageId as string })).rejects.toThrow(
      `Too many bytes of files read in a single function execution (limit: ${maxBytes} bytes)`,
    )
  })
})

describe('the dashboard’s page of files', () => {
  const path = (name: string): string => `_system/frontend/fileStorageV2:${name}`
  const asAdmin = async (route: 'query' | 'mutation', name: string, args: object): Promise<unknown> => {
    const answer = await post(app.url, `/api/${route}`, { path: path(name), args }, { key: app.deployKey })
    if (answer.body.status !== 'success') throw new Error(answer.body.errorMessage ?? JSON.stringify(answer))
    return answer.body.value
  }
  type File = { readonly _id: string; readonly _creationTime: number; readonly url: string }
  type Page = { readonly page: readonly File[]; readonly isDone: boolean; readonly continueCursor: string }
  const page = async (filters: object | undefined, numItems = 3, cursor: string | null = null): Promise<Page> =>
    (await asAdmin('query', 'fileMetadata', { paginationOpts: { numItems, cursor }, filters })) as Page

  it('counts, lists and shows files with their URLs', async () => {
    for (let count = 0; count < 9; count += 1) await uploaded(`listed ${count}`)
    const id = await uploaded('listed', { 'content-type': 'text/plain' })
    const count = (await asAdmin('query', 'numFiles', {})) as number
    expect(count).toBe(await client.query(files.count, {}))
    const file = (await client.query(files.document, { id })) as object
    const shown = { ...file, url: await urlOf(id) }
    expect(await asAdmin('query', 'getFile', { storageId: id })).toEqual(shown)
    expect((await page(undefined)).page[0]).toEqual(shown)

    const all: File[] = []
    for (let next = await page({ order: 'asc' }, 7); ; next = await page({ order: 'asc' }, 7, next.continueCursor)) {
      all.push(...next.page)
      if (next.isDone) break
    }
    expect(all.map(({ _id }) => _id)).toEqual(
      ((await client.query(files.list, { order: 'asc' })) as File[]).map(({ _id }) => _id),
    )
    const [second, third] = [all[1] as File, all[2] as File]
    const between = { minCreationTime: second._creationTime, maxCreationTime: third._creationTime }
    expect((await page({ ...between, order: 'asc' }, 10)).page).toEqual([second, third])
    expect((await page(between, 10)).page).toEqual([third, second])
  })

  it('uploads and deletes', async () => {
    const { status, body } = await upload((await asAdmin('mutation', 'generateUploadUrl', {})) as string, 'by an admin')
    expect(status).toBe(200)
    const ids = [body.storageId as string, await uploaded('1'), await uploaded('2')]
    await asAdmin('mutation', 'deleteFile', { storageId: ids[0] })
    await asAdmin('mutation', 'deleteFiles', { storageIds: ids.slice(1) })
    for (const id of ids) expect(await asAdmin('query', 'getFile', { storageId: id })).toBeNull()
    await expect(asAdmin('mutation', 'deleteFile', { storageId: ids[0] })).rejects.toThrow(
      `storage id ${ids[0]} not found`,
    )
  })

  it('has queries and mutations, which are not the same', async () => {
    await expect(asAdmin('mutation', 'numFiles', {})).rejects.toThrow('as Mutation, but it is defined as Query')
    await expect(asAdmin('query', 'deleteFile', {})).rejects.toThrow('as Query, but it is defined as Mutation')
  })

  it('is for admins', async () => {
    for (const [route, name] of [
      ['query', 'numFiles'],
      ['mutation', 'generateUploadUrl'],
    ] as const) {
      const { body } = await post(app.url, `/api/${route}`, { path: path(name), args: {} })
      expect(body.errorMessage).toContain('Could not find public function')
    }
  })
})
