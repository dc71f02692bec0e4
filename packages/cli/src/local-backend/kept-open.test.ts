import { expect, test } from 'vitest'
import { KeptOpen } from './kept-open.ts'

function openCounted() {
  const opened: { readonly number: number; readonly end: () => void; isClosed: boolean }[] = []
  const open = async () => {
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    const entry = { number: opened.length, end, isClosed: false }
    opened.push(entry)
    return {
      ...entry,
      ended,
      close: async () => {
        entry.isClosed = true
        end()
      },
    }
  }
  return { opened, open }
}

test('what ends by itself is opened again, what is closed is not', async () => {
  const { opened, open } = openCounted()
  const kept = await KeptOpen.start(open)
  expect((await kept.current).number).toBe(0)
  opened[0]?.end()
  await expect.poll(async () => (await kept.current).number).toBe(1)
  opened[1]?.end()
  await expect.poll(async () => (await kept.current).number).toBe(2)
  await kept.close()
  expect(opened.map(({ isClosed }) => isClosed)).toEqual([false, false, true])
})

test('it says so when it can not be opened again', async () => {
  const { opened, open } = openCounted()
  const kept = await KeptOpen.start(async () => {
    if (opened.length === 1) throw new Error('the disk is gone')
    return await open()
  })
  opened[0]?.end()
  expect((await kept.failed).message).toBe('the disk is gone')
  await expect(kept.current).rejects.toThrow('the disk is gone')
  await kept.close()
})
