import { expect, test } from 'vitest'
import { Guesses } from './guesses.ts'

const send = { modulePath: 'messages.js', exportName: 'send' }
const other = { modulePath: 'messages.js', exportName: 'other' }

/** How many of `calls` calls guess, if each guess goes as `isRight` says. */
function guessed(guesses: Guesses, calls: number, isRight: (call: number) => boolean): number {
  let count = 0
  for (let call = 0; call < calls; call += 1) {
    if (!guesses.mayGuess(send)) continue
    count += 1
    guesses.record(send, isRight(call))
  }
  return count
}

test('a function that is wrong now and then goes on guessing', () => {
  expect(guessed(new Guesses(), 1000, (call) => call % 6 !== 0)).toBe(1000)
})

test('a function that is mostly wrong only tries now and then, until it is right again', () => {
  const guesses = new Guesses()
  expect(guessed(guesses, 1000, () => false)).toBeLessThan(80)
  expect(guesses.mayGuess(other)).toBe(true)
  guessed(guesses, 500, () => true)
  expect(guessed(guesses, 100, () => true)).toBe(100)
})
