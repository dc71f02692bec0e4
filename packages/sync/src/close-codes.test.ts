import {
  BadRequest,
  Forbidden,
  Internal,
  NotFound,
  Overloaded,
  PlatformError,
  RateLimited,
  Unauthenticated,
  WriteConflict,
} from '@concave/base'
import { expect, test } from 'vitest'
import { closingFor, isTemporary } from './close-codes.ts'

const plain = { code: undefined, reason: '' }
const internal = { code: 1011, reason: 'InternalServerError' }

test.each([
  [new BadRequest('InvalidArguments', ''), plain],
  [new Unauthenticated('BadDeployKey', ''), plain],
  [new PlatformError(409, 'Conflict', ''), plain],
  [new Forbidden('OperationNotPermitted', ''), { code: 1000, reason: 'OperationNotPermitted' }],
  [new NotFound('ProjectNotFound', ''), { code: 1000, reason: 'ProjectNotFound' }],
  [new RateLimited('TooManyRequests', '', 1), { code: 1013, reason: 'TooManyRequests' }],
  [new Overloaded('CommitterFullError', '', 1), { code: 1013, reason: 'CommitterFullError' }],
  [new WriteConflict(''), { code: 1013, reason: 'OptimisticConcurrencyControlFailure' }],
  [new Internal(), internal],
  [new Error('secret detail'), internal],
  ['not an error', internal],
])('%s', (error, closing) => {
  expect(closingFor(error)).toEqual(closing)
  expect(isTemporary(error)).toBe(closing.code === 1013)
})

test('a reason fits a close frame', () => {
  const { reason } = closingFor(new Forbidden('é'.repeat(200), ''))
  expect(Buffer.byteLength(reason)).toBe(123)
})
