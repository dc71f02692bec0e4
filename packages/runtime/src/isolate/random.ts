/**
 * Deterministic randomness of one phase: a ChaCha20 key stream (RFC 8439 §2.3) keyed by the 32-byte seed feeds
 * `crypto`, and seeds the xoshiro128** generator behind `Math.random`. Both start lazily: most calls need neither.
 */
import { refuseInDefinitions, state } from './execution-state.ts'
import { defineHidden, imul, NativeUint32Array, stringSlice } from './primordials.ts'

const { parseInt } = globalThis
const key = new NativeUint32Array(8)
const input = new NativeUint32Array(16)
const block = new NativeUint32Array(16)
const words = new NativeUint32Array(4)
let keyEpoch = -1
let wordsEpoch = -1
let blockUsedBytes = 64

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function at(array: Uint32Array, index: number): number {
  return array[index] as number
}

function quarterRound(a: number, b: number, c: number, d: number): void {
  block[a] = at(block, a) + at(block, b)
  block[d] = rotateLeft(at(block, d) ^ at(block, a), 16)
  block[c] = at(block, c) + at(block, d)
  block[b] = rotateLeft(at(block, b) ^ at(block, c), 12)
  block[a] = at(block, a) + at(block, b)
  block[d] = rotateLeft(at(block, d) ^ at(block, a), 8)
  block[c] = at(block, c) + at(block, d)
  block[b] = rotateLeft(at(block, b) ^ at(block, c), 7)
}

function startKeyStream(): void {
  for (let i = 0; i < 8; i++) key[i] = parseInt(stringSlice(state.seed, i * 8, i * 8 + 8), 16)
  input[0] = 0x61707865
  input[1] = 0x3320646e
  input[2] = 0x79622d32
  input[3] = 0x6b206574
  for (let i = 0; i < 8; i++) input[4 + i] = at(key, i)
  for (let i = 12; i < 16; i++) input[i] = 0
  blockUsedBytes = 64
  keyEpoch = state.epoch
}

function nextBlock(): void {
  for (let i = 0; i < 16; i++) block[i] = at(input, i)
  for (let round = 0; round < 10; round++) {
    quarterRound(0, 4, 8, 12)
    quarterRound(1, 5, 9, 13)
    quarterRound(2, 6, 10, 14)
    quarterRound(3, 7, 11, 15)
    quarterRound(0, 5, 10, 15)
    quarterRound(1, 6, 11, 12)
    quarterRound(2, 7, 8, 13)
    quarterRound(3, 4, 9, 14)
  }
  for (let i = 0; i < 16; i++) block[i] = at(block, i) + at(input, i)
  input[12] = at(input, 12) + 1
  if (input[12] === 0) input[13] = at(input, 13) + 1
  blockUsedBytes = 0
}

/** Overwrites `bytes` with the next bytes of this phase's key stream. */
export function fillRandom(bytes: Uint8Array, length: number): void {
  if (keyEpoch !== state.epoch) startKeyStream()
  for (let i = 0; i < length; i++) {
    if (blockUsedBytes === 64) nextBlock()
    bytes[i] = at(block, blockUsedBytes >>> 2) >>> ((blockUsedBytes & 3) * 8)
    blockUsedBytes += 1
  }
}

function startWords(): void {
  if (keyEpoch !== state.epoch) startKeyStream()
  // The generator has a block of its own, so that drawing from one source does not shift the other.
  const counter = at(input, 12)
  const used = blockUsedBytes
  input[15] = 1
  input[12] = 0
  nextBlock()
  for (let i = 0; i < 4; i++) words[i] = at(block, i)
  input[15] = 0
  input[12] = counter
  if (used < 64) {
    input[12] = counter - 1
    nextBlock()
  }
  blockUsedBytes = used
  wordsEpoch = state.epoch
}

/** xoshiro128** (Blackman and Vigna, 2018). */
function nextWord(): number {
  const result = imul(rotateLeft(imul(at(words, 1), 5), 7), 9) >>> 0
  const shifted = at(words, 1) << 9
  words[2] = at(words, 2) ^ at(words, 0)
  words[3] = at(words, 3) ^ at(words, 1)
  words[1] = at(words, 1) ^ at(words, 2)
  words[0] = at(words, 0) ^ at(words, 3)
  words[2] = at(words, 2) ^ shifted
  words[3] = rotateLeft(at(words, 3), 11)
  return result
}

/** Uniform in [0, 1) with 53 bits. */
export function nextRandom(): number {
  if (wordsEpoch !== state.epoch) startWords()
  const high = nextWord() >>> 5
  const low = nextWord() >>> 6
  return (high * 67108864 + low) / 9007199254740992
}

function drawRandom(): number {
  refuseInDefinitions('Math.random')
  return nextRandom()
}

export function installRandom(): void {
  defineHidden(Math, 'random', { random: () => drawRandom() }.random)
}
