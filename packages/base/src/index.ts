/**
 * What every room needs and no room owns: errors, assertions, time, randomness, logging and a few async primitives.
 * Knows nothing of the domain.
 */
export { assert, AssertionError, unreachable } from './assert.ts'
export { bytesCompare, bytesEqual, bytesToHex, hexToBytes, base64ToBytes, bytesToBase64 } from './bytes.ts'
export { systemClock, type Clock } from './clock.ts'
export { createDeferred, type Deferred } from './deferred.ts'
export {
  AlreadyExists,
  BadRequest,
  Forbidden,
  Internal,
  NotFound,
  Overloaded,
  PlatformError,
  RateLimited,
  Unauthenticated,
  WriteConflict,
} from './errors.ts'
export { createLog, type Log } from './log.ts'
export { systemRandom, type Random } from './random.ts'
