import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeFrame, FrameParser, frameKinds, type Frame, type FrameKind } from './protocol.ts'

const frames = fc.array(
  fc.record({
    kind: fc.constantFrom<FrameKind>(...Object.values(frameKinds)),
    texts: fc.array(fc.string({ unit: 'binary' }).map((text) => text.toWellFormed())),
  }),
)

test('frames survive any cutting of the stream', () => {
  fc.assert(
    fc.property(frames, fc.infiniteStream(fc.integer({ min: 1, max: 40 })), (sent, sizes) => {
      const stream = Buffer.concat(sent.map(({ kind, texts }) => encodeFrame(kind, texts)))
      const parser = new FrameParser({ maxFrameBytes: 1_000_000 })
      const received: Frame[] = []
      for (let offset = 0; offset < stream.length;) {
        const size = sizes.next().value
        received.push(...parser.push(stream.subarray(offset, offset + size)))
        offset += size
      }
      expect(received).toEqual(sent)
    }),
  )
})

test('a frame above the limit is refused before it is read', () => {
  const parser = new FrameParser({ maxFrameBytes: 100 })
  const frame = encodeFrame(frameKinds.done, ['x'.repeat(200)])
  expect(() => parser.push(frame.subarray(0, 8))).toThrow('above the limit of 100')
})
