import { createDeferred } from '@concave/base'
import { expect, test } from 'vitest'
import { RunSlots } from './run-slots.ts'

const never = new Promise<void>(() => {})

test('slots go to who asked first', async () => {
  const slots = new RunSlots(1)
  expect(await slots.take(never)).toBe(true)
  const served: string[] = []
  const takers = ['a', 'b'].map(async (name) => {
    expect(await slots.take(never)).toBe(true)
    served.push(name)
    slots.release()
  })
  slots.release()
  await Promise.all(takers)
  expect(served).toEqual(['a', 'b'])
  expect(await slots.take(never)).toBe(true)
})

test('who gives up gets none, unless it was given one at that moment', async () => {
  const slots = new RunSlots(1)
  await slots.take(never)
  const abandoned = createDeferred<void>()
  const taker = slots.take(abandoned.promise)
  abandoned.resolve()
  expect(await taker).toBe(false)
  const both = createDeferred<void>()
  const other = slots.take(both.promise)
  both.resolve()
  slots.release()
  expect(await other).toBe(true)
  slots.release()
  expect(await slots.take(never)).toBe(true)
})
