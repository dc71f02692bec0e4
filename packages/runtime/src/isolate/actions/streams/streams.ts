/** The streams of actions as globals, in place of the names that queries have. */
import { defineInterface } from '../../web/interface.ts'
import { ByteLengthQueuingStrategy, CountQueuingStrategy } from './queue.ts'
import {
  insideOf,
  ReadableStream,
  ReadableStreamBYOBReader,
  ReadableStreamDefaultController,
  ReadableStreamDefaultReader,
} from './readable-stream.ts'
import { TextDecoderStream, TextEncoderStream, TransformStream } from './transform-stream.ts'
import { WritableStream, WritableStreamDefaultWriter } from './writable-stream.ts'

export { readAll } from './read-all.ts'
export { createByteStream, ReadableStream } from './readable-stream.ts'

/** Whether somebody has read from it or cancelled it. */
export function isDisturbed(stream: ReadableStream): boolean {
  return insideOf(stream).isDisturbed
}

export function installStreams(): void {
  const classes = {
    ReadableStream,
    ReadableStreamDefaultReader,
    ReadableStreamBYOBReader,
    ReadableStreamDefaultController,
    WritableStream,
    WritableStreamDefaultWriter,
    TransformStream,
    TextEncoderStream,
    TextDecoderStream,
    CountQueuingStrategy,
    ByteLengthQueuingStrategy,
  }
  for (const [name, constructor] of Object.entries(classes)) defineInterface(name, constructor as never)
}
