/** `fetch`, which queries and mutations may name but not call. */
import { notAllowedError } from '../execution-state.ts'
import { defineFunction } from './interface.ts'

async function fetch(_input: unknown, ..._init: readonly unknown[]): Promise<never> {
  throw notAllowedError('fetch()')
}

export function installFetch(): void {
  defineFunction('fetch', fetch)
}
