/** SHA-1, SHA-256, SHA-384 and SHA-512 (FIPS 180-4) for `crypto.subtle`. */
import { DOMException } from './dom-exception.ts'
import { copyBytes } from './interface.ts'

export type HashName = 'SHA-1' | 'SHA-256' | 'SHA-384' | 'SHA-512'

/** Bytes that a hash takes in at a time. */
export const blockBytes: Readonly<Record<HashName, number>> = {
  'SHA-1': 64,
  'SHA-256': 64,
  'SHA-384': 128,
  'SHA-512': 128,
}

export function parseHashName(algorithm: unknown): HashName {
  const isObject = typeof algorithm === 'object' && algorithm !== null
  const name = String(isObject ? (algorithm as { name?: unknown }).name : algorithm).toUpperCase()
  if (Object.hasOwn(blockBytes, name)) return name as HashName
  throw new DOMException('Unrecognized algorithm name', 'NotSupportedError')
}

/** Digest of the BufferSource `data` as a fresh buffer. */
export function digest(algorithm: unknown, data: unknown): ArrayBuffer {
  return hash(parseHashName(algorithm), copyBytes(data, 'The data to digest')).buffer
}

export function hash(name: HashName, message: Uint8Array): Uint8Array<ArrayBuffer> {
  const padded = pad(message, blockBytes[name])
  if (name === 'SHA-1') return sha1(padded)
  if (name === 'SHA-256') return sha256(padded)
  return sha512(padded, name)
}

/** A one bit, zeros, and the length in bits at the end of the last block. */
function pad(message: Uint8Array, block: number): DataView<ArrayBuffer> {
  const lengthBytes = block / 8
  const total = Math.ceil((message.length + 1 + lengthBytes) / block) * block
  const bytes = new Uint8Array(total)
  bytes.set(message)
  bytes[message.length] = 0x80
  const view = new DataView(bytes.buffer)
  view.setBigUint64(total - 8, BigInt(message.length) * 8n)
  return view
}

function toBytes(words: Uint32Array, count: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(count * 4))
  for (let i = 0; i < count; i++) view.setUint32(i * 4, words[i] as number)
  return new Uint8Array(view.buffer)
}

const rotateRight = (value: number, bits: number): number => (value >>> bits) | (value << (32 - bits))
const rotateLeft = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits))

function sha1(message: DataView): Uint8Array<ArrayBuffer> {
  const state = new Uint32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0])
  const w = new Uint32Array(80)
  for (let offset = 0; offset < message.byteLength; offset += 64) {
    for (let i = 0; i < 16; i++) w[i] = message.getUint32(offset + i * 4)
    for (let i = 16; i < 80; i++) w[i] = rotateLeft(w[i - 3]! ^ w[i - 8]! ^ w[i - 14]! ^ w[i - 16]!, 1)
    let [a, b, c, d, e] = state as unknown as [number, number, number, number, number]
    for (let i = 0; i < 80; i++) {
      const [f, k] = sha1Round(i, b, c, d)
      const next = (rotateLeft(a, 5) + f + e + k + w[i]!) | 0
      e = d
      d = c
      c = rotateLeft(b, 30)
      b = a
      a = next
    }
    for (const [i, value] of [a, b, c, d, e].entries()) state[i] = state[i]! + value
  }
  return toBytes(state, 5)
}

function sha1Round(i: number, b: number, c: number, d: number): [number, number] {
  if (i < 20) return [(b & c) | (~b & d), 0x5a827999]
  if (i < 40) return [b ^ c ^ d, 0x6ed9eba1]
  if (i < 60) return [(b & c) | (b & d) | (c & d), 0x8f1bbcdc]
  return [b ^ c ^ d, 0xca62c1d6]
}

/** The first `count` primes: FIPS takes its constants from the fractions of their roots. */
function primes(count: number): bigint[] {
  const found: bigint[] = []
  for (let candidate = 2n; found.length < count; candidate += 1n) {
    if (found.every((prime) => candidate % prime !== 0n)) found.push(candidate)
  }
  return found
}

/** floor(value^(1/degree) · 2^64) mod 2^64. */
function rootFraction(value: bigint, degree: 2n | 3n): bigint {
  const target = value << (64n * degree)
  let low = 0n
  let high = 1n << 72n
  while (low + 1n < high) {
    const middle = (low + high) >> 1n
    if (middle ** degree <= target) low = middle
    else high = middle
  }
  return BigInt.asUintN(64, low)
}

const cubeRoots = primes(80).map((prime) => rootFraction(prime, 3n))
const squareRoots = primes(16).map((prime) => rootFraction(prime, 2n))
const upperHalf = (value: bigint): number => Number(value >> 32n)
const k256 = new Uint32Array(cubeRoots.slice(0, 64).map(upperHalf))
const start256 = squareRoots.slice(0, 8).map(upperHalf)
// Words of 64 bits as pairs: high, low.
const pairs = (values: readonly bigint[]): number[] =>
  values.flatMap((value) => [upperHalf(value), Number(value & 0xffffffffn)])
const k512 = new Uint32Array(pairs(cubeRoots))
const start512 = pairs(squareRoots.slice(0, 8))
const start384 = pairs(squareRoots.slice(8, 16))

function sha256(message: DataView): Uint8Array<ArrayBuffer> {
  const state = new Uint32Array(start256)
  const w = new Uint32Array(64)
  for (let offset = 0; offset < message.byteLength; offset += 64) {
    for (let i = 0; i < 16; i++) w[i] = message.getUint32(offset + i * 4)
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15]!
      const y = w[i - 2]!
      const s0 = rotateRight(x, 7) ^ rotateRight(x, 18) ^ (x >>> 3)
      const s1 = rotateRight(y, 17) ^ rotateRight(y, 19) ^ (y >>> 10)
      w[i] = w[i - 16]! + s0 + w[i - 7]! + s1
    }
    const v = new Uint32Array(state)
    for (let i = 0; i < 64; i++) {
      const a = v[0]!
      const e = v[4]!
      const s1 = rotateRight(e, 6) ^ rotateRight(e, 11) ^ rotateRight(e, 25)
      const s0 = rotateRight(a, 2) ^ rotateRight(a, 13) ^ rotateRight(a, 22)
      const t1 = v[7]! + s1 + ((e & v[5]!) ^ (~e & v[6]!)) + k256[i]! + w[i]!
      const t2 = s0 + ((a & v[1]!) ^ (a & v[2]!) ^ (v[1]! & v[2]!))
      v.copyWithin(1, 0, 7)
      v[4] = v[4]! + t1
      v[0] = t1 + t2
    }
    for (let i = 0; i < 8; i++) state[i] = state[i]! + v[i]!
  }
  return toBytes(state, 8)
}

/** 64-bit arithmetic on halves: `high` and `low` hold the last result. */
let high = 0
let low = 0
const carryOf = (sum: number): number => Math.floor(sum / 0x100000000)

function rotations(h: number, l: number, amounts: readonly [number, number, number], lastIsShift: boolean): void {
  high = 0
  low = 0
  for (const [index, amount] of amounts.entries()) {
    const isShift = lastIsShift && index === 2
    const swapped = amount >= 32
    const bits = amount % 32
    const from = swapped ? l : h
    const to = swapped ? h : l
    high ^= (from >>> bits) | (isShift || bits === 0 ? 0 : to << (32 - bits))
    low ^= (to >>> bits) | (bits === 0 ? 0 : from << (32 - bits))
  }
  high >>>= 0
  low >>>= 0
}

function add(terms: readonly number[]): void {
  let lows = 0
  let highs = 0
  for (let i = 0; i < terms.length; i += 2) {
    highs += terms[i]!
    lows += terms[i + 1]!
  }
  low = lows >>> 0
  high = (highs + carryOf(lows)) >>> 0
}

function sha512(message: DataView, name: 'SHA-384' | 'SHA-512'): Uint8Array<ArrayBuffer> {
  const state = new Uint32Array(name === 'SHA-512' ? start512 : start384)
  const w = new Uint32Array(160)
  for (let offset = 0; offset < message.byteLength; offset += 128) {
    for (let i = 0; i < 32; i++) w[i] = message.getUint32(offset + i * 4)
    for (let i = 32; i < 160; i += 2) {
      rotations(w[i - 30]!, w[i - 29]!, [1, 8, 7], true)
      const [h0, l0] = [high, low]
      rotations(w[i - 4]!, w[i - 3]!, [19, 61, 6], true)
      add([w[i - 32]!, w[i - 31]!, h0, l0, w[i - 14]!, w[i - 13]!, high, low])
      w[i] = high
      w[i + 1] = low
    }
    compress512(state, w)
  }
  return toBytes(state, name === 'SHA-512' ? 16 : 12)
}

function compress512(state: Uint32Array, w: Uint32Array): void {
  const v = new Uint32Array(state)
  for (let i = 0; i < 160; i += 2) {
    const [ah, al, bh, bl, ch, cl] = [v[0]!, v[1]!, v[2]!, v[3]!, v[4]!, v[5]!]
    const [eh, el, fh, fl, gh, gl] = [v[8]!, v[9]!, v[10]!, v[11]!, v[12]!, v[13]!]
    rotations(eh, el, [14, 18, 41], false)
    const choice = [((eh & fh) ^ (~eh & gh)) >>> 0, ((el & fl) ^ (~el & gl)) >>> 0] as const
    add([v[14]!, v[15]!, high, low, ...choice, k512[i]!, k512[i + 1]!, w[i]!, w[i + 1]!])
    const [t1h, t1l] = [high, low]
    rotations(ah, al, [28, 34, 39], false)
    const majority = [((ah & bh) ^ (ah & ch) ^ (bh & ch)) >>> 0, ((al & bl) ^ (al & cl) ^ (bl & cl)) >>> 0] as const
    add([t1h, t1l, high, low, ...majority])
    const [nextHigh, nextLow] = [high, low]
    v.copyWithin(2, 0, 14)
    add([v[8]!, v[9]!, t1h, t1l])
    v[8] = high
    v[9] = low
    v[0] = nextHigh
    v[1] = nextLow
  }
  for (let i = 0; i < 16; i += 2) {
    add([state[i]!, state[i + 1]!, v[i]!, v[i + 1]!])
    state[i] = high
    state[i + 1] = low
  }
}
