/** What every engine must do, as tests. Each engine's test file calls `blobsSuite`. */
import { buffer } from 'node:stream/consumers'
import { AssertionError } from '@concave/base'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { Blobs, ByteRange } from './blobs.ts'

export type BlobsUnderTest = {
  readonly blobs: Blobs
  /** The same data, opened again as after a crash. */
  reopen(): Promise<BlobsUnderTest>
  /** Removes the data. */
  close(): Promise<void>
}

const key = '0b0e7d6e-3d5c-4b6a-9a55-0c1d2e3f4a5b'
const otherKey = '0b-other'

export function blobsSuite(name: string, open: () => Promise<BlobsUnderTest>): void {
  describe(`blobs: ${name}`, () => {
    const opened: BlobsUnderTest[] = []

    async function start(): Promise<BlobsUnderTest> {
      const subject = await open()
      opened.push(subject)
      return subject
    }

    afterEach(async () => {
      for (const subject of opened.splice(0)) await subject.close()
    })

    test('gives back what was put, after a reopening too', async () => {
      const subject = await start()
      expect(await subject.blobs.put(key, chunks('one ', 'two ', '', 'three'))).toEqual({ sizeBytes: 13 })
      expect(await readText(subject.blobs, key)).toBe('one two three')
      const { blobs } = await subject.reopen()
      expect(await readText(blobs, key)).toBe('one two three')
      await blobs.put(otherKey, chunks('more'))
      expect(await readText(blobs, otherKey)).toBe('more')
    })

    test('takes chunks that are there already', async () => {
      const { blobs } = await start()
      expect(await blobs.put(key, [Buffer.from('one '), Buffer.from('two')])).toEqual({ sizeBytes: 7 })
      expect(await readText(blobs, key)).toBe('one two')
    })

    test('holds an empty blob', async () => {
      const { blobs } = await start()
      expect(await blobs.put(key, chunks())).toEqual({ sizeBytes: 0 })
      expect(await readText(blobs, key)).toBe('')
      expect(await readText(blobs, key, { start: 0, end: 0 })).toBe('')
    })

    test('has nothing under a key that was never written', async () => {
      const { blobs } = await start()
      expect(await blobs.read(key)).toBeUndefined()
      await blobs.delete(key)
    })

    test('reads any range', async () => {
      const { blobs } = await start()
      const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, position) => (position * 7919) >>> 3))
      await blobs.put(key, chunks(bytes.subarray(0, 65_537), bytes.subarray(65_537)))
      const offset = fc.nat({ max: bytes.length })
      await fc.assert(
        fc.asyncProperty(offset, offset, async (a, b) => {
          const range = { start: Math.min(a, b), end: Math.max(a, b) }
          const read = await readBytes(blobs, key, range)
          expect(read?.equals(bytes.subarray(range.start, range.end))).toBe(true)
        }),
        { numRuns: 30 },
      )
      expect((await readBytes(blobs, key))?.equals(bytes)).toBe(true)
    })

    test('does not keep the memory of a chunk', async () => {
      const { blobs } = await start()
      const chunk = Buffer.alloc(4)
      async function* reusing(): AsyncGenerator<Uint8Array> {
        for (const text of ['abcd', 'efgh']) {
          chunk.write(text)
          yield chunk
        }
      }
      await blobs.put(key, reusing())
      expect(await readText(blobs, key)).toBe('abcdefgh')
    })

    test('keeps nothing of a put that fails', async () => {
      const subject = await start()
      const { blobs } = subject
      const failure = new Error('The sender went away.')
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield Buffer.from('begun')
        throw failure
      }
      await expect(blobs.put(key, failing())).rejects.toBe(failure)
      await blobs.put(key, chunks('first'))
      await expect(blobs.put(key, failing())).rejects.toBe(failure)
      expect(await readText(blobs, key)).toBe('first')
      expect(await readText((await subject.reopen()).blobs, key)).toBe('first')
    })

    test('shows nothing of a put before it answers', async () => {
      const subject = await start()
      const { blobs } = subject
      const middle = Promise.withResolvers<void>()
      const rest = Promise.withResolvers<void>()
      async function* slow(): AsyncGenerator<Uint8Array> {
        yield Buffer.from('begun ')
        middle.resolve()
        await rest.promise
        yield Buffer.from('ended')
      }
      const put = blobs.put(key, slow())
      await middle.promise
      expect(await blobs.read(key)).toBeUndefined()
      rest.resolve()
      await put
      expect(await readText(blobs, key)).toBe('begun ended')
    })

    test('replaces a blob as a whole; who reads the old one reads it to its end', async () => {
      const { blobs } = await start()
      const old = 'old '.repeat(100_000)
      await blobs.put(key, chunks(old))
      const stream = await blobs.read(key)
      await blobs.put(key, chunks('new'))
      expect(await readText(blobs, key)).toBe('new')
      expect(stream && (await buffer(stream)).toString()).toBe(old)
    })

    test('deletes, as often as asked; who reads, reads to the end', async () => {
      const { blobs } = await start()
      const text = 'text '.repeat(100_000)
      await blobs.put(key, chunks(text))
      const stream = await blobs.read(key)
      await blobs.delete(key)
      await blobs.delete(key)
      expect(await blobs.read(key)).toBeUndefined()
      expect(stream && (await buffer(stream)).toString()).toBe(text)
    })

    test('keeps blobs apart, however many are written at once', async () => {
      const { blobs } = await start()
      const keys = Array.from({ length: 50 }, (_, position) => `${position % 7}x-blob-${position}`)
      await Promise.all(keys.map((each) => blobs.put(each, chunks('content of ', each))))
      for (const each of keys) expect(await readText(blobs, each)).toBe(`content of ${each}`)
    })

    test('of two puts under one key, one stays whole', async () => {
      const { blobs } = await start()
      const texts = ['a'.repeat(200_000), 'b'.repeat(200_000)]
      await Promise.all(texts.map((text) => blobs.put(key, chunks(text.slice(0, 90_000), text.slice(90_000)))))
      expect(texts).toContain(await readText(blobs, key))
    })

    test.each(['', 'ab', '../x', 'a/b', 'a.b', 'UPPER', 'x'.repeat(128)])('refuses the key %j', async (bad) => {
      const { blobs } = await start()
      await expect(blobs.put(bad, chunks('x'))).rejects.toThrow(AssertionError)
      await expect(blobs.read(bad)).rejects.toThrow(AssertionError)
      await expect(blobs.delete(bad)).rejects.toThrow(AssertionError)
    })
  })
}

async function* chunks(...parts: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield typeof part === 'string' ? Buffer.from(part) : part
}

async function readBytes(blobs: Blobs, key: string, range?: ByteRange): Promise<Buffer | undefined> {
  const stream = await blobs.read(key, range)
  return stream && (await buffer(stream))
}

async function readText(blobs: Blobs, key: string, range?: ByteRange): Promise<string | undefined> {
  return (await readBytes(blobs, key, range))?.toString()
}
