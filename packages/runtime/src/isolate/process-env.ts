/** `process`, which has nothing but `env`: a live lookup in which nothing can be enumerated (function-runtime.md §3.6). */
import { observeEnv } from './execution-state.ts'
import { defineHidden } from './primordials.ts'

const handler: ProxyHandler<object> = {
  get: (_target, name) => (typeof name === 'string' ? observeEnv(name) : undefined),
  // Accepted and forgotten: the lookup always wins.
  set: () => true,
}

export function installProcess(createProxy: (target: object, handler: ProxyHandler<object>) => object): void {
  defineHidden(globalThis, 'process', { env: createProxy({}, handler) })
}
