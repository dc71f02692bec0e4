/** `import()` in actions: the runner evaluates the module in a turn of its own and hands over its namespace. */
import { state } from '../execution-state.ts'
import { NativeTypeError } from '../primordials.ts'
import { request } from './operations.ts'

export async function dynamicImport(referrer: unknown, specifier: unknown): Promise<unknown> {
  if (state.phase !== 'action') throw new NativeTypeError('dynamic module import unsupported')
  const args = JSON.stringify({ referrer: String(referrer), specifier: String(specifier) })
  return (await request('module/import', args)).namespace
}
