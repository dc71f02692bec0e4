import { systemRandom } from '@concave/base'
import { MemoryDisk, MemoryStorage } from '@concave/storage'
import { expect, test } from 'vitest'
import { fileLimits } from './file-limits.ts'
import { TestClock } from './files-fixture.ts'
import { UploadTokens } from './upload-tokens.ts'

async function openTokens(): Promise<{
  readonly clock: TestClock
  readonly storage: MemoryStorage
  readonly open: () => UploadTokens
}> {
  const clock = new TestClock()
  const storage = new MemoryStorage({ disk: new MemoryDisk() })
  await storage.open()
  return { clock, storage, open: () => new UploadTokens({ meta: storage.meta, random: systemRandom, clock }) }
}

test('is valid for an hour, also after a restart', async () => {
  const { clock, open } = await openTokens()
  const token = await open().issue('')
  const tokens = open()
  await tokens.check(token)
  clock.advance(fileLimits.uploadUrlMs)
  await tokens.check(token)
  clock.advance(1)
  await expect(tokens.check(token)).rejects.toMatchObject({ status: 401, code: 'StorageTokenExpired' })
})

test('is no other deployment’s', async () => {
  const [{ open: openOne }, { open: openOther }] = [await openTokens(), await openTokens()]
  await expect(openOther().check(await openOne().issue(''))).rejects.toMatchObject({
    status: 401,
    code: 'StorageTokenInvalid',
  })
})

test('is told from anything else', async () => {
  const { open } = await openTokens()
  const tokens = open()
  const token = await tokens.issue('')
  for (const text of [null, '', 'x', token.slice(1), `${token}A`, `${token}=`, ` ${token}`, token.toUpperCase()]) {
    await expect(tokens.check(text)).rejects.toMatchObject({ status: 401 })
  }
  for (const text of [null, '', 'x', `${token}A`, `${token}=`]) {
    await expect(tokens.check(text)).rejects.toMatchObject({ code: 'InvalidStorageToken' })
  }
})

test('makes its secret once, however many ask at the same time', async () => {
  const { open } = await openTokens()
  const [one, other] = [open(), open()]
  const [first, second] = await Promise.all([one.issue(''), other.issue('')])
  await expect(Promise.all([one.check(second), other.check(first)])).resolves.toHaveLength(2)
})
