// Files of components: rows in their own tables, blobs beside those of everybody else.
import { MemoryBlobs } from '@concave/blobs'
import { createNamespace } from '@concave/database'
import { beforeEach, expect, test } from 'vitest'
import { components } from '../records.ts'
import { fileLimits } from './file-limits.ts'
import { chunks, mutate, openTestFiles, readText, TestClock, type TestFiles } from './files-fixture.ts'

let clock: TestClock
let blobs: MemoryBlobs
let subject: TestFiles
/** Two components. */
let one: string
let two: string
beforeEach(async () => {
  clock = new TestClock()
  blobs = new MemoryBlobs()
  subject = await openTestFiles({ clock, blobs })
  ;[one, two] = [await mount('one'), await mount('two')]
  return async () => await subject[Symbol.asyncDispose]()
})

async function mount(name: string): Promise<string> {
  const { value } = await subject.database.mutate('test', async (tx) => {
    const id = await components.insert(tx, { definitionPath: name, parent: null, name, state: 'active' })
    await createNamespace(tx, id)
    return id
  })
  return value
}

async function unmount(id: string): Promise<void> {
  await subject.database.mutate('test', (tx) => components.patch(tx, id, { state: 'unmounted' }))
}

async function uuidOf(namespace: string, id: string): Promise<string> {
  const { value } = await subject.database.read((tx) => subject.files.getMetadata(tx, id), { namespace })
  return value?.storageId ?? ''
}

async function collect(): Promise<void> {
  clock.advance(fileLimits.deletedContentMs + 1)
  await subject.collector.runOnce()
}

test('a file is found by its component alone, by id and by UUID', async () => {
  const id = await subject.files.store(one, chunks('x'))
  const uuid = await uuidOf(one, id)
  for (const name of [id, uuid]) {
    expect(await subject.files.open(one, name)).not.toBeNull()
    expect(await subject.files.open('', name)).toBeNull()
    expect(await subject.files.open(two, name)).toBeNull()
  }
  expect((await subject.files.findByUuid(one, uuid))?._id).toBe(id)
  for (const namespace of ['', two, 'none', '../x']) {
    expect(await subject.files.findByUuid(namespace, uuid)).toBeNull()
  }
  const urlIn = async (namespace: string) =>
    (await subject.database.read((tx) => subject.files.getUrl(tx, id), { namespace })).value
  expect(await urlIn(one)).toBe(`http://deployment.test/api/storage/${uuid}?component=${one}`)
  expect(await urlIn(two)).toBeNull()
  await expect(
    subject.database.mutate('test', (tx) => subject.files.delete(tx, id), { namespace: two }),
  ).rejects.toMatchObject({ code: 'StorageIdNotFound' })
})

test('one transaction stores for the app and for components, and takes back what a part of it stored', async () => {
  const ids = await mutate(subject, async (tx) => {
    const own = await subject.files.stage(tx, Buffer.from('app'), {})
    const inOne = await tx.within(one, () => subject.files.stage(tx, Buffer.from('one'), {}))
    const savepoint = tx.savepoint()
    await tx.within(two, () => subject.files.stage(tx, Buffer.from('undone'), {}))
    tx.rollbackTo(savepoint)
    const inTwo = await tx.within(two, () => subject.files.stage(tx, Buffer.from('two'), {}))
    // What is staged is its component's as well.
    expect(await subject.files.readWhole(tx, inOne)).toBeNull()
    expect(await tx.within(one, () => subject.files.readWhole(tx, inOne))).toMatchObject({
      content: Buffer.from('one'),
    })
    return [own, inOne, inTwo] as const
  })
  expect(blobs.count).toBe(3)
  const texts = await Promise.all(
    [['', ids[0]] as const, [one, ids[1]] as const, [two, ids[2]] as const].map(([namespace, id]) =>
      readText(subject, id, namespace),
    ),
  )
  expect(texts).toEqual(['app', 'one', 'two'])
})

test('a blob that any component has is kept, and freed when it has deleted the file', async () => {
  const staged = await mutate(subject, (tx) => tx.within(one, () => subject.files.stage(tx, Buffer.from('x'), {})))
  const stored = await subject.files.store(two, chunks('y'))
  await unmount(two)
  await collect()
  expect(await readText(subject, staged, one)).toBe('x')
  expect(await readText(subject, stored, two)).toBe('y')
  await subject.database.mutate('test', (tx) => subject.files.delete(tx, staged), { namespace: one })
  await collect()
  expect(blobs.count).toBe(1)
})

test('nothing is stored in a component that is not mounted, also when it was at first', async () => {
  async function* whileUnmounting(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('begun')
    await unmount(one)
  }
  const refused = { code: 'ComponentUnmounted', message: expect.stringContaining('unmounted component') as unknown }
  await expect(subject.files.store(one, whileUnmounting())).rejects.toMatchObject(refused)
  await expect(subject.files.store(one, chunks('x'))).rejects.toMatchObject(refused)
  await subject.database.mutate('test', (tx) => components.delete(tx, two))
  await expect(subject.files.store(two, chunks('x'))).rejects.toMatchObject(refused)
  await collect()
  expect(blobs.count).toBe(0)
})

test('an upload URL is for the component that has made it, and cannot be made another’s', async () => {
  const tokenOf = async (namespace: string) =>
    new URL(await subject.files.generateUploadUrl(namespace)).searchParams.get('token') ?? ''
  expect(await subject.files.checkUploadToken(await tokenOf(one))).toBe(one)
  expect(await subject.files.checkUploadToken(await tokenOf(''))).toBe('')
  const bytes = Buffer.from(await tokenOf(one), 'base64url')
  const head = bytes.subarray(0, bytes.length - one.length)
  for (const component of [two, '']) {
    const forged = Buffer.concat([head, Buffer.from(component)]).toString('base64url')
    await expect(subject.files.checkUploadToken(forged)).rejects.toMatchObject({ code: 'StorageTokenInvalid' })
  }
})
