/** The random values of `crypto`, from the execution's own source: seeded in queries and mutations, real in actions. */
import { state } from '../execution-state.ts'
import { typedArrayTag } from '../primordials.ts'
import { fillRandom } from '../random.ts'
import { DOMException } from './dom-exception.ts'
import { findBytes } from './interface.ts'

const maxRandomBytes = 65_536
const integerArrays = new Set(
  'Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array BigInt64Array BigUint64Array'.split(
    ' ',
  ),
)

/** `crypto.getRandomValues`. */
export function getRandomValues<T>(array: T): T {
  assertRandomnessAllowed()
  if (!integerArrays.has(typedArrayTag(array) ?? '')) {
    throw new DOMException('The data argument must be an integer-type TypedArray', 'TypeMismatchError')
  }
  const bytes = findBytes(array) as Uint8Array
  if (bytes.length > maxRandomBytes) {
    throw new DOMException(
      `The ArrayBufferView's byte length (${bytes.length}) exceeds the number of bytes of entropy available via this API (${maxRandomBytes})`,
      'QuotaExceededError',
    )
  }
  fillRandom(bytes, bytes.length)
  return array
}

/** `crypto.randomUUID`: version 4 (RFC 9562 §5.4). */
export function randomUuid(): string {
  assertRandomnessAllowed()
  const bytes = new Uint8Array(16)
  fillRandom(bytes, 16)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

function assertRandomnessAllowed(): void {
  if (state.phase === 'import' || state.phase === 'idle') {
    throw new Error('Cannot use cryptographic randomness at import time')
  }
}
