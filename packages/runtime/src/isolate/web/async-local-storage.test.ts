import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { expect, test } from 'vitest'
import { TestContext } from '../testing/test-context.ts'

/** Expressions that give the same in Node. `s`: a storage. */
test.each([
  '[s.getStore(), s.run(1, () => [s.getStore(), s.run(2, () => s.getStore()), s.exit(() => s.getStore()), s.getStore()]), s.getStore()]',
  's.run(1, function (...args) { return [this === null || this === undefined, args] }, 2, 3)',
  's.run(1, () => s.run(1, () => { s.enterWith(2); return 0 }) + s.getStore())',
  '(s.enterWith(4), [s.getStore(), s.run(5, () => s.getStore()), s.getStore()])',
  's.run(1, () => (s.disable(), [s.getStore(), s.run(2, () => s.getStore())]))',
  's.run(1, () => AsyncLocalStorage.bind((x) => [x, s.getStore()]))(7)',
  's.run(1, () => AsyncLocalStorage.bind(function () { return this.a }).call({ a: 3 }))',
  's.run(1, () => AsyncLocalStorage.snapshot())((a, b) => [s.getStore(), a, b], 2, 3)',
  '[new AsyncLocalStorage({ defaultValue: 3, name: "n" })].map((d) => [d.name, d.getStore(), d.run(undefined, () => d.getStore()), s.name])',
  's.run(1, () => new AsyncResource("r")).runInAsyncScope(function (x) { return [s.getStore(), this.a, x] }, { a: 2 }, 3)',
  's.run(1, () => new AsyncResource("r")).bind(function (x, y) { return [s.getStore(), this.a] }, { a: 4 })()',
  's.run(1, () => new AsyncResource("r").bind((x, y) => 0)).length',
  's.run(1, () => AsyncResource.bind((x) => [x, s.getStore()]))(2)',
  's.run(1, () => { const scope = s.withScope(2); const seen = s.getStore(); scope.dispose(); scope.dispose(); return [seen, s.getStore()] })',
  '(() => { try { s.run(1, () => { throw new Error("x") }) } catch { return [s.getStore()] } })()',
  '(() => { try { new AsyncResource(1) } catch (e) { return e instanceof TypeError } })()',
  '(() => { try { AsyncLocalStorage.bind(1) } catch (e) { return e instanceof TypeError } })()',
  'new AsyncResource("r").emitDestroy() instanceof AsyncResource',
  '[typeof new AsyncResource("r").asyncId(), typeof new AsyncResource("r").triggerAsyncId()]',
])('%s', async (expression) => {
  const program = `[new AsyncLocalStorage()].map((s) => (${expression}))`
  // oxlint-disable-next-line no-implied-eval -- the program under test
  const run = new Function('AsyncLocalStorage', 'AsyncResource', `return ${program}`) as (...args: unknown[]) => unknown
  const expected = new AsyncLocalStorage().exit(() => run(AsyncLocalStorage, AsyncResource))
  expect(await (await TestContext.create()).run(program)).toEqual(JSON.parse(JSON.stringify(expected)))
})

test('what a call has entered is gone with it', async () => {
  const context = await TestContext.create()
  await context.run('globalThis.storage = new AsyncLocalStorage(), storage.enterWith(1)')
  expect(await context.run('storage.getStore() ?? null')).toBeNull()
})
