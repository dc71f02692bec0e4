import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  decodeInvoke,
  decodeNotes,
  encodeFrame,
  encodeInvoke,
  encodeNotes,
  FrameParser,
  frameKinds,
  type CursorNote,
  type Frame,
  type FrameKind,
  type Invoke,
} from './protocol.ts'

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

test('a text that ends or begins with half a character keeps its place in the frame', () => {
  const [high, low] = ['\ud83d', '\ude00']
  const [frame] = new FrameParser({ maxFrameBytes: 100 }).push(encodeFrame(frameKinds.done, [high, low, high, 'x']))
  expect(frame?.texts).toEqual([high, low, '\ufffd', 'x'])
})

test('a frame whose lengths are lies is still only texts', () => {
  const frame = encodeFrame(frameKinds.done, ['ab', 'c'])
  frame.writeUInt32LE(0xffff_ffff, 7)
  expect(new FrameParser({ maxFrameBytes: 100 }).push(frame)).toEqual([{ kind: frameKinds.done, texts: ['abc', ''] }])
  frame.writeUInt16LE(0xffff, 5)
  expect(() => new FrameParser({ maxFrameBytes: 100 }).push(frame)).toThrow(RangeError)
})

test('notes come back as they were', () => {
  const queryId = fc.nat()
  const note: fc.Arbitrary<CursorNote> = fc.oneof(
    fc.record({ kind: fc.constant('consumed' as const), queryId, rows: fc.nat() }),
    fc.record({ kind: fc.constant('closed' as const), queryId }),
  )
  fc.assert(
    fc.property(fc.array(note), (notes) => {
      expect(decodeNotes(encodeNotes(notes))).toEqual(notes)
    }),
  )
})

test('an invocation comes back as it was', () => {
  const invoke: Invoke = {
    codeVersion: 'c1',
    envVersion: 'e1',
    componentId: 'k1',
    modulePath: 'a/b.js',
    udfType: 'mutation',
    exportName: 'send',
    seed: '0f'.repeat(32),
    nowMs: 1_700_000_000_123,
    forceFresh: true,
    ahead: 'nothing',
    argsText: '[{"text":"ä\\n"}]',
  }
  expect(decodeInvoke(encodeInvoke(invoke))).toEqual(invoke)
  const other = { forceFresh: false, ahead: 'writesAndReads' } as const
  expect(decodeInvoke(encodeInvoke({ ...invoke, ...other }))).toMatchObject(other)
})
