import type { Namespace } from '../invoke.ts'
export async function runHttpAction(_entry: Namespace, _head: string, _path: string): Promise<string> {
  throw new Error('not yet')
}
export function abortRequest(): void {}
