/**
 * AES-128-GCM-SIV (RFC 8452), which Node's crypto does not offer: AES is its, POLYVAL is here. Only for admin keys of the
 * development form. Its arithmetic takes time that depends on the data, which the RFC's vectors do not show: so not for
 * a service where somebody could measure millions of attempts.
 */
import { createCipheriv, timingSafeEqual } from 'node:crypto'

const blockBytes = 16
const tagBytes = 16
const blockBits = 128n
/** x^128 + x^127 + x^126 + x^121 + 1, the lowest bit first (RFC 8452 §3). */
const modulus = (1n << 128n) | (1n << 127n) | (1n << 126n) | (1n << 121n) | 1n

export type SealKey = {
  readonly key: Uint8Array
  /** 12 bytes. */
  readonly nonce: Uint8Array
  readonly additionalData: Uint8Array
}

/** The encrypted text with its tag behind it. */
export function seal({ key, nonce, additionalData }: SealKey, plaintext: Uint8Array): Uint8Array {
  const keys = deriveKeys(key, nonce)
  const tag = makeTag(keys, nonce, additionalData, plaintext)
  return Buffer.concat([applyKeystream(keys.encryption, tag, plaintext), tag])
}

/** Undefined: it was not sealed with this key, or it was changed. */
export function unseal({ key, nonce, additionalData }: SealKey, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < tagBytes) return undefined
  const keys = deriveKeys(key, nonce)
  const tag = sealed.subarray(sealed.length - tagBytes)
  const plaintext = applyKeystream(keys.encryption, tag, sealed.subarray(0, sealed.length - tagBytes))
  return timingSafeEqual(makeTag(keys, nonce, additionalData, plaintext), tag) ? plaintext : undefined
}

type Keys = { readonly authentication: Uint8Array; readonly encryption: Uint8Array }

/** RFC 8452 §4: half a block from each of four counters. */
function deriveKeys(key: Uint8Array, nonce: Uint8Array): Keys {
  const halves = [0, 1, 2, 3].map((counter) => {
    const block = new Uint8Array(blockBytes)
    block[0] = counter
    block.set(nonce, 4)
    return encryptBlock(key, block).subarray(0, 8)
  })
  return { authentication: Buffer.concat(halves.slice(0, 2)), encryption: Buffer.concat(halves.slice(2)) }
}

function makeTag(keys: Keys, nonce: Uint8Array, additionalData: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const lengths = Buffer.alloc(blockBytes)
  lengths.writeBigUInt64LE(BigInt(additionalData.length) * 8n, 0)
  lengths.writeBigUInt64LE(BigInt(plaintext.length) * 8n, 8)
  const hash = polyval(keys.authentication, Buffer.concat([pad(additionalData), pad(plaintext), lengths]))
  const block = hash.map((byte, position) => byte ^ (nonce[position] ?? 0))
  block[blockBytes - 1] = (block[blockBytes - 1] ?? 0) & 0x7f
  return encryptBlock(keys.encryption, block)
}

/** Counter mode from the tag on; the counter is the first four bytes, the lowest first. */
function applyKeystream(key: Uint8Array, tag: Uint8Array, text: Uint8Array): Uint8Array {
  const counter = Buffer.from(tag)
  counter[blockBytes - 1] = (counter[blockBytes - 1] ?? 0) | 0x80
  const result = new Uint8Array(text.length)
  for (let start = 0; start < text.length; start += blockBytes) {
    const stream = encryptBlock(key, counter)
    const part = text.subarray(start, start + blockBytes)
    result.set(
      part.map((byte, position) => byte ^ (stream[position] ?? 0)),
      start,
    )
    counter.writeUInt32LE((counter.readUInt32LE(0) + 1) % 2 ** 32, 0)
  }
  return result
}

function polyval(key: Uint8Array, blocks: Uint8Array): Uint8Array {
  const factor = toBits(key)
  let sum = 0n
  for (let start = 0; start < blocks.length; start += blockBytes) {
    sum = multiply(sum ^ toBits(blocks.subarray(start, start + blockBytes)), factor)
  }
  return Buffer.from(sum.toString(16).padStart(blockBytes * 2, '0'), 'hex').reverse()
}

/** `a · b · x^-128` (RFC 8452 §3): the product, then its lower half is cleared with multiples of the modulus. */
function multiply(a: bigint, b: bigint): bigint {
  let product = 0n
  for (let bit = 0n; bit < blockBits; bit += 1n) {
    if ((b >> bit) & 1n) product ^= a << bit
  }
  for (let bit = 0n; bit < blockBits; bit += 1n) {
    if ((product >> bit) & 1n) product ^= modulus << bit
  }
  return product >> blockBits
}

function toBits(block: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(block).reverse().toString('hex')}`)
}

function pad(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil(bytes.length / blockBytes) * blockBytes)
  padded.set(bytes)
  return padded
}

function encryptBlock(key: Uint8Array, block: Uint8Array): Uint8Array {
  return createCipheriv('aes-128-ecb', key, null).setAutoPadding(false).update(block)
}
