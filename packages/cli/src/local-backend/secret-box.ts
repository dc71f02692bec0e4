/**
 * Opens NaCl's secretbox (XSalsa20 and Poly1305), which Node's crypto does not offer: older admin keys are sealed with it.
 * Nothing is sealed here.
 */
import { timingSafeEqual } from 'node:crypto'

const tagBytes = 16
const sigma = words(Buffer.from('expand 32-byte k'))

/** `key` has 32 bytes, `nonce` 24. Undefined: it was not sealed with this key, or it was changed. */
export function openSecretBox(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < tagBytes) return undefined
  const tag = sealed.subarray(0, tagBytes)
  const encrypted = sealed.subarray(tagBytes)
  const subkey = deriveSubkey(key, nonce.subarray(0, 16))
  const stream = keystream(subkey, nonce.subarray(16), 32 + encrypted.length)
  if (!timingSafeEqual(authenticate(stream.subarray(0, 32), encrypted), tag)) return undefined
  return encrypted.map((byte, position) => byte ^ (stream[32 + position] ?? 0))
}

/** HSalsa20: the words of the constant and the input after the rounds, without the final addition. */
function deriveSubkey(key: Uint8Array, input: Uint8Array): Uint8Array {
  const state = rounds(arrange(key, input))
  return bytes([0, 5, 10, 15, 6, 7, 8, 9].map((position) => state[position] ?? 0))
}

function keystream(key: Uint8Array, nonce: Uint8Array, length: number): Uint8Array {
  const blocks: Uint8Array[] = []
  for (let block = 0; block * 64 < length; block += 1) {
    const input = Buffer.alloc(16)
    input.set(nonce)
    input.writeUInt32LE(block, 8)
    const start = arrange(key, input)
    blocks.push(bytes(rounds(start).map((word, position) => (word + (start[position] ?? 0)) | 0)))
  }
  return Buffer.concat(blocks).subarray(0, length)
}

/** The 4 × 4 words that Salsa20 works on: the constant on the diagonal, the key around it, the input in the middle. */
function arrange(key: Uint8Array, input: Uint8Array): readonly number[] {
  const [k, n] = [words(key), words(input)]
  return [sigma[0], ...k.slice(0, 4), sigma[1], ...n, sigma[2], ...k.slice(4), sigma[3]].map((word) => word ?? 0)
}

const columns = [
  [0, 4, 8, 12],
  [5, 9, 13, 1],
  [10, 14, 2, 6],
  [15, 3, 7, 11],
] as const
const rows = [
  [0, 1, 2, 3],
  [5, 6, 7, 4],
  [10, 11, 8, 9],
  [15, 12, 13, 14],
] as const

function rounds(start: readonly number[]): readonly number[] {
  const x = Int32Array.from(start)
  const mix = (to: number, a: number, b: number, by: number): void => {
    const sum = ((x[a] ?? 0) + (x[b] ?? 0)) | 0
    x[to] = (x[to] ?? 0) ^ ((sum << by) | (sum >>> (32 - by)))
  }
  for (let round = 0; round < 10; round += 1) {
    for (const [a, b, c, d] of [...columns, ...rows]) {
      mix(b, a, d, 7)
      mix(c, b, a, 9)
      mix(d, c, b, 13)
      mix(a, d, c, 18)
    }
  }
  return Array.from(x)
}

/** Poly1305 (RFC 8439 §2.5). */
function authenticate(key: Uint8Array, message: Uint8Array): Uint8Array {
  const prime = (1n << 130n) - 5n
  const r = toNumber(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn
  let sum = 0n
  for (let start = 0; start < message.length; start += 16) {
    const block = message.subarray(start, start + 16)
    sum = ((sum + toNumber(block) + (1n << BigInt(block.length * 8))) * r) % prime
  }
  const tag = (sum + toNumber(key.subarray(16))) & ((1n << 128n) - 1n)
  return Buffer.from(tag.toString(16).padStart(32, '0'), 'hex').reverse()
}

function toNumber(littleEndian: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(littleEndian).reverse().toString('hex')}`)
}

function words(source: Uint8Array): readonly number[] {
  const view = Buffer.from(source)
  return Array.from({ length: view.length / 4 }, (_, position) => view.readInt32LE(position * 4))
}

function bytes(source: readonly number[]): Uint8Array {
  const result = Buffer.alloc(source.length * 4)
  source.forEach((word, position) => result.writeInt32LE(word, position * 4))
  return result
}
