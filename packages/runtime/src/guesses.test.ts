import { expect, test } from 'vitest'
import { Guesses } from './guesses.ts'

const send = { modulePath: 'messages.js', exportName: 'send' }
const other = { modulePath: 'messages.js', exportName: 'other' }

/** Calls until the function may guess again. */
function pauseOf(guesses: Guesses): number {
  let calls = 0
  while (!guesses.mayGuess(send)) calls += 1
  return calls
}

test('a function guesses until it is wrong, then pauses, longer each time', () => {
  const guesses = new Guesses()
  expect(guesses.mayGuess(send)).toBe(true)
  guesses.record(send, true)
  guesses.record(send, false)
  expect(pauseOf(guesses)).toBe(8)
  guesses.record(send, false)
  expect(pauseOf(guesses)).toBe(16)
  for (let n = 0; n < 20; n += 1) guesses.record(send, false)
  expect(pauseOf(guesses)).toBe(1024)
  expect(guesses.mayGuess(other)).toBe(true)
})

test('guessing right for as long as the next pause would be makes up for it', () => {
  const guesses = new Guesses()
  guesses.record(send, false)
  pauseOf(guesses)
  for (let n = 0; n < 16; n += 1) guesses.record(send, true)
  guesses.record(send, false)
  expect(pauseOf(guesses)).toBe(8)
})
