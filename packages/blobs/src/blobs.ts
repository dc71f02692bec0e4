/**
 * The interface that every engine for blobs implements: byte strings under keys, written whole, read whole or in part.
 * It asks for nothing that an S3-compatible bucket lacks: no renaming, no appending, no listing. What a blob is for,
 * what type it has and when it may go is known above.
 *
 * Rules an engine keeps: a blob is readable from the moment `put` answers and is durable then; nobody ever reads a part
 * of a `put`; a `put` that fails, or that a crash interrupts, leaves what was there before; who has begun to read a blob
 * can read it to its end, whatever happens to its key.
 */
import type { Readable } from 'node:stream'
import { assert } from '@concave/base'

/** Bytes from `start` up to but not including `end`. */
export type ByteRange = { readonly start: number; readonly end: number }

/** Chunks, in order. */
export type Content = AsyncIterable<Uint8Array> | Iterable<Uint8Array>

export interface Blobs {
  /**
   * Stores `content`, in place of what is under `key`. Takes a chunk at a time and so never holds much; a chunk may be
   * used again by its sender once the next is asked for. Rejects with what `content` throws.
   */
  put(key: string, content: Content): Promise<{ readonly sizeBytes: number }>
  /** All of it, or a range that lies within it. Undefined: there is no blob. Read the stream to its end or destroy it. */
  read(key: string, range?: ByteRange): Promise<Readable | undefined>
  /** Idempotent. */
  delete(key: string): Promise<void>
}

/** Keys are names of ours, such as UUIDs: safe in file systems and URLs alike. */
export function checkBlobKey(key: string): void {
  assert(/^[a-z0-9][a-z0-9-]{2,126}$/.test(key), `not a blob key: ${key}`)
}
