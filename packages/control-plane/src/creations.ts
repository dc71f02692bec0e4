/**
 * Creations that their client marked with an `Idempotency-Key`: a repeat finds what the first request made. The mark is
 * written in the transaction that creates, so a crash leaves both or neither.
 */
import { createHash } from 'node:crypto'
import { BadRequest, PlatformError } from '@concave/base'
import { controlPlaneLimits } from './limits.ts'
import type { Reader, Writer } from './store.ts'

export type CreationMark = {
  /** Of the caller: keys of different callers are different keys. */
  readonly tokenId: number
  readonly key: string
  readonly operation: string
  readonly requestHash: string
}

/** Throws 400 `InvalidIdempotencyKey`. */
export function readCreationMark(
  header: string | readonly string[] | undefined,
  request: { readonly tokenId: number; readonly operation: string; readonly path: object; readonly body: unknown },
): CreationMark | undefined {
  if (header === undefined) return undefined
  const { maxIdempotencyKeyLength } = controlPlaneLimits
  if (typeof header !== 'string' || !/^[\x21-\x7e]+$/.test(header) || header.length > maxIdempotencyKeyLength) {
    throw new BadRequest(
      'InvalidIdempotencyKey',
      `Idempotency-Key must be one text of 1 to ${maxIdempotencyKeyLength} visible ASCII characters.`,
    )
  }
  const { tokenId, operation, path, body } = request
  const requestHash = createHash('sha256')
    .update(JSON.stringify([path, body ?? null]))
    .digest('hex')
  return { tokenId, key: header, operation, requestHash }
}

/** Number of what the first request with this mark created. Throws 422 `IdempotencyKeyReused`. */
export async function findCreation(tables: Reader, mark: CreationMark | undefined): Promise<number | undefined> {
  if (mark === undefined) return undefined
  const creation = await tables.creations.find('byKey', [mark.tokenId, mark.key])
  if (creation === undefined) return undefined
  if (creation.operation === mark.operation && creation.requestHash === mark.requestHash) return creation.createdId
  throw new PlatformError(
    422,
    'IdempotencyKeyReused',
    'This Idempotency-Key was sent with another request before. Take a new one for each thing to be created.',
  )
}

export async function recordCreation(
  tables: Writer,
  mark: CreationMark | undefined,
  created: { readonly createdId: number; readonly nowMs: number },
): Promise<void> {
  if (mark === undefined) return
  await tables.creations.insert({ ...mark, createdId: created.createdId, createTime: created.nowMs })
}

/** What was created has been taken back: the same request may try again. */
export async function forgetCreation(tables: Writer, mark: CreationMark | undefined): Promise<void> {
  if (mark === undefined) return
  const creation = await tables.creations.find('byKey', [mark.tokenId, mark.key])
  if (creation !== undefined) await tables.creations.remove(creation._id)
}

/** Marks are kept for a day. */
export async function sweepCreations(tables: Writer, nowMs: number): Promise<void> {
  const { creationMarkMs, maxSweptAtOnce } = controlPlaneLimits
  const oldest = await tables.creations.list('byTime', [], { limit: maxSweptAtOnce })
  for (const { _id, createTime } of oldest) {
    if (createTime + creationMarkMs <= nowMs) await tables.creations.remove(_id)
  }
}
