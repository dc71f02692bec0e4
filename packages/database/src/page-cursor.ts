import { bytesEqual, type Random } from '@concave/base'
import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto'
import type { MetaStore } from '@concave/storage'

import { InvalidCursor } from './developer-error.ts'

/** Where a page ends: behind the row with that key, or behind all. */
export type Position = { readonly kind: 'after'; readonly key: Uint8Array } | { readonly kind: 'end' }

const secretKey = 'database/cursorSecret'
const ivLength = 12
const tagLength = 16
const fingerprintLength = 16
const formatVersion = 1

/**
 * Pagination cursors as opaque text: encrypted, since index keys hold document contents, authenticated, and
 * deterministic, since clients compare them and key caches by them. The nonce is a MAC of the content (as in SIV), so it
 * only repeats when the whole cursor does.
 */
export class PageCursorCodec {
  readonly #encryptionKey: Buffer
  readonly #nonceKey: Buffer

  constructor(secret: Uint8Array) {
    this.#encryptionKey = createHmac('sha256', secret).update('cursor encryption').digest()
    this.#nonceKey = createHmac('sha256', secret).update('cursor nonce').digest()
  }

  /** The database's own codec; makes its secret at first use. */
  static async load(meta: MetaStore, random: Random): Promise<PageCursorCodec> {
    let record = await meta.get(secretKey)
    if (record === undefined) {
      await meta.set(secretKey, Buffer.from(random.bytes(32)).toString('base64'), 0)
      record = await meta.get(secretKey)
    }
    return new PageCursorCodec(Buffer.from(record?.value ?? '', 'base64'))
  }

  encode(fingerprint: Uint8Array, position: Position): string {
    const kind = Buffer.from([position.kind === 'end' ? 1 : 0])
    const key = position.kind === 'end' ? new Uint8Array(0) : position.key
    const plain = Buffer.concat([fingerprint, kind, key])
    const iv = createHmac('sha256', this.#nonceKey).update(plain).digest().subarray(0, ivLength)
    const cipher = createCipheriv('aes-256-gcm', this.#encryptionKey, iv)
    const body = Buffer.concat([cipher.update(plain), cipher.final()])
    return Buffer.concat([Buffer.from([formatVersion]), iv, cipher.getAuthTag(), body]).toString('base64url')
  }

  /** Throws `InvalidCursor` unless this database made the text for a query with this fingerprint. */
  decode(fingerprint: Uint8Array, text: string): Position {
    const plain = this.#decrypt(Buffer.from(text, 'base64url'))
    if (!bytesEqual(plain.subarray(0, fingerprintLength), fingerprint)) throw new InvalidCursor()
    if (plain[fingerprintLength] === 1) return { kind: 'end' }
    return { kind: 'after', key: new Uint8Array(plain.subarray(fingerprintLength + 1)) }
  }

  #decrypt(bytes: Buffer): Buffer {
    const bodyStart = 1 + ivLength + tagLength
    if (bytes.length < bodyStart + fingerprintLength + 1 || bytes[0] !== formatVersion) throw unreadable()
    const decipher = createDecipheriv('aes-256-gcm', this.#encryptionKey, bytes.subarray(1, 1 + ivLength))
    decipher.setAuthTag(bytes.subarray(1 + ivLength, bodyStart))
    try {
      return Buffer.concat([decipher.update(bytes.subarray(bodyStart)), decipher.final()])
    } catch {
      throw unreadable()
    }
  }
}

/** What a cursor is tied to: the query as sent and the fields of its index. */
export function queryFingerprint(queryJson: unknown, indexFields: readonly string[]): Uint8Array {
  const digest = createHash('sha256')
    .update(JSON.stringify([queryJson, indexFields]))
    .digest()
  return new Uint8Array(digest.subarray(0, fingerprintLength))
}

function unreadable(): InvalidCursor {
  return new InvalidCursor('Failed to parse cursor')
}
