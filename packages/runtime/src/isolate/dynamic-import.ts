/** What `import()` becomes at a push (`stateless/dynamic-imports.ts`). Only actions load modules while they run. */
import { NativeTypeError, promiseReject } from './primordials.ts'

/** `referrer`: path of the module that asks. */
export function dynamicImport(_referrer: unknown, _specifier: unknown): Promise<unknown> {
  return promiseReject(new NativeTypeError('dynamic module import unsupported'))
}
