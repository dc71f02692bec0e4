import { execFileSync } from 'node:child_process'
import { beforeAll, expect, test } from 'vitest'
import { TestContext } from '../testing/test-context.ts'

let context: TestContext
beforeAll(async () => {
  context = await TestContext.create()
})

const attempted = (expression: string): string =>
  `(() => { try { return ${expression} } catch (e) { return e.name } })()`

test('base64 is read as V8 does it, which has that much behind a flag', () => {
  const texts = 'AA== AAA= AAAA Zm9v Zg Zm8 Zh== Zm9= Z Zg= Zg==x Z=== = +/+/ -_-_ Zg==Zg== Zm9vZ é'.split(' ')
  const expressions = ['', ' Z m\n9v ', 'Zg= =', ...texts].flatMap((text) =>
    ['undefined', '{ alphabet: "base64url" }', '{ lastChunkHandling: "strict" }'].map((options) =>
      attempted(`[...Uint8Array.fromBase64(${JSON.stringify(text)}, ${options})]`),
    ),
  )
  const script = `console.log(JSON.stringify([${expressions.join()}]))`
  const expected: unknown = JSON.parse(
    execFileSync(process.execPath, ['--js-base-64', '-e', script], { encoding: 'utf8' }),
  )
  expect(context.evaluate(`[${expressions.join()}]`)).toEqual(expected)
})

test('texts are those of Buffer', () => {
  for (const length of [0, 1, 2, 3, 4, 5]) {
    const bytes = Buffer.alloc(length, 251)
    const made = `new Uint8Array(${length}).fill(251)`
    expect(
      context.evaluate(
        `[${made}.toBase64(), ${made}.toBase64({ alphabet: 'base64url', omitPadding: true }), ${made}.toHex(), Uint8Array.fromHex(${made}.toHex()).toHex()]`,
      ),
    ).toEqual([bytes.toString('base64'), bytes.toString('base64url'), bytes.toString('hex'), bytes.toString('hex')])
  }
})

// ECMA-262 FromBase64, with a limit and with `stop-before-partial`.
test.each([
  ['"Zm9vYmFy"', 7, 6, 8],
  ['"Zm9vYmFy"', 6, 6, 8],
  ['"Zm9vYmFy"', 5, 3, 4],
  ['"Zm9v YmE"', 5, 5, 8],
  ['"Zm9vYg=="', 4, 4, 8],
  ['"Zm9v!"', 3, 3, 4],
  ['"Zm9v"', 0, 0, 0],
  ['"Zm9vYg", { lastChunkHandling: "stop-before-partial" }', 9, 3, 4],
  ['"Zm9vYg==", { lastChunkHandling: "stop-before-partial" }', 9, 4, 8],
  ['"Zm9vYg=", { lastChunkHandling: "stop-before-partial" }', 9, 3, 4],
  ['"Zm9vY", { lastChunkHandling: "stop-before-partial" }', 9, 3, 4],
])('%s into %i bytes writes %i and reads %i', (args, length, written, read) => {
  const call = `((u) => [u.setFromBase64(${args}), new TextDecoder().decode(u.subarray(0, ${written}))])(new Uint8Array(${length}))`
  expect(context.evaluate(call)).toEqual([{ read, written }, 'foobar'.slice(0, written)])
})

test.each([
  ['Uint8Array.fromHex("0")', 'SyntaxError'],
  ['Uint8Array.fromHex("0g")', 'SyntaxError'],
  ['Uint8Array.fromHex(12)', 'TypeError'],
  ['Uint8Array.fromBase64(1)', 'TypeError'],
  ['Uint8Array.fromBase64("", 1)', 'TypeError'],
  ['Uint8Array.fromBase64("", { alphabet: "x" })', 'TypeError'],
  ['Uint8Array.fromBase64("", { lastChunkHandling: "x" })', 'TypeError'],
  ['Uint8Array.prototype.toHex.call([])', 'TypeError'],
  ['((u) => [u.setFromHex("010203"), ...u])(new Uint8Array(2))', [{ read: 4, written: 2 }, 1, 2]],
])('%s', (expression, outcome) => {
  expect(context.evaluate(attempted(expression))).toEqual(outcome)
})
