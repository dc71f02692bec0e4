import { createHash } from 'node:crypto'
import { MemoryBlobs } from '@concave/blobs'
import { beforeEach, expect, test } from 'vitest'
import { actionStorageSyscalls } from './action-storage.ts'
import { fileLimits } from './file-limits.ts'
import { openTestFiles, TestClock, type TestFiles } from './files-fixture.ts'

let blobs: MemoryBlobs
let subject: TestFiles
beforeEach(async () => {
  blobs = new MemoryBlobs()
  subject = await openTestFiles({ clock: new TestClock(), blobs })
  return async () => await subject[Symbol.asyncDispose]()
})

async function call(op: string, args: object, body = ''): Promise<{ readonly value: unknown; readonly body?: string }> {
  const answer = await actionStorageSyscalls[op]?.(
    { ...subject, component: { id: '' } },
    { ...args },
    Buffer.from(body),
  )
  if (answer === undefined) throw new Error(`There is no ${op}.`)
  return { value: JSON.parse(answer.text), ...(answer.body === undefined ? {} : { body: answer.body.toString() }) }
}

async function store(content: string, args: object = {}): Promise<string> {
  return (await call('storage/storeBlob', args, content)).value as string
}

test('an action stores and reads files', async () => {
  const typed = await store('one', { contentType: 'text/plain' })
  expect(await call('storage/getBlob', { storageId: typed })).toEqual({
    value: { contentType: 'text/plain' },
    body: 'one',
  })
  const untyped = await store('', { contentType: null })
  expect(await call('storage/getBlob', { storageId: untyped })).toEqual({ value: { contentType: null }, body: '' })
})

test('what it stores must be what it says', async () => {
  const sha256 = createHash('sha256').update('right').digest('base64')
  await store('right', { options: { sha256 } })
  await expect(store('wrong', { options: { sha256 } })).rejects.toMatchObject({ code: 'Sha256Mismatch' })
  await expect(store('x', { options: { sha256: 7 } })).rejects.toMatchObject({ code: 'InvalidArgument' })
  expect(blobs.count).toBe(1)
})

test('it has URLs, metadata and deletions like mutations', async () => {
  const storageId = await store('one')
  const { value: metadata } = await call('1.0/storageGetMetadata', { storageId })
  expect(metadata).toMatchObject({ size: 3, contentType: null })
  const uuid = (metadata as { readonly storageId: string }).storageId
  expect((await call('1.0/storageGetUrl', { storageId })).value).toBe(`http://deployment.test/api/storage/${uuid}`)
  expect((await call('1.0/storageGenerateUploadUrl', {})).value).toMatch(
    /^http:\/\/deployment\.test\/api\/storage\/upload\?token=[\w-]+$/,
  )
  expect((await call('1.0/storageDelete', { storageId: uuid })).value).toBeNull()
  for (const op of ['1.0/storageGetUrl', '1.0/storageGetMetadata', 'storage/getBlob']) {
    expect(await call(op, { storageId })).toEqual({ value: null })
  }
  await expect(call('1.0/storageDelete', { storageId })).rejects.toMatchObject({ code: 'StorageIdNotFound' })
})

test('it does not read what no isolate could hold', async () => {
  async function* large(): AsyncGenerator<Uint8Array> {
    for (let mebibytes = 0; mebibytes <= fileLimits.maxActionBlobBytes / 1_048_576; mebibytes += 1) {
      yield new Uint8Array(1_048_576)
    }
  }
  const storageId = await subject.files.store('', large())
  await expect(call('storage/getBlob', { storageId })).rejects.toMatchObject({ status: 400, code: 'FileTooLarge' })
})
