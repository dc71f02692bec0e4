/** Runs one exported function of a module namespace and reports how it settled. */
import { runInContext } from './async-context.ts'
import { describe, describePlatformError, type ErrorDescription } from './errors.ts'
import { state } from './execution-state.ts'
import { jsonStringify, promiseResolve, promiseThen } from './primordials.ts'

export type Namespace = Readonly<Record<string, unknown>>
export type InvokeMethod = 'invokeQuery' | 'invokeMutation'
/** `text`: the result's JSON text, or the JSON text of an `ErrorDescription`. Called at most once. */
export type OnSettled = (ok: boolean, text: string) => void

type Registered = Readonly<Record<string, unknown>> & {
  readonly invokeQuery?: unknown
  readonly invokeMutation?: unknown
}

/**
 * `onSettled` is called during this call or during the microtasks that follow it; if it has not been called when they
 * have drained, the function will never settle.
 */
export function invoke(
  namespace: Namespace,
  exportName: string,
  method: InvokeMethod,
  argsText: string,
  onSettled: OnSettled,
  modulePath = '',
): void {
  const fail = (description: ErrorDescription): void => {
    onSettled(false, jsonStringify(state.isAborted ? { ...description, uncatchable: true } : description))
  }
  try {
    const found = findFunction(namespace, exportName, method, modulePath)
    if (typeof found === 'string') {
      fail(describePlatformError(found))
      return
    }
    const running = promiseResolve(runInContext(undefined, found[method] as () => unknown, found, [argsText]))
    void promiseThen(
      running,
      (result) => {
        if (state.fatal !== undefined) fail(describe(state.fatal.error))
        else if (state.isAborted) fail(describePlatformError('The execution was ended by the host'))
        else onSettled(true, result as string)
      },
      (error) => fail(describe(state.fatal === undefined ? error : state.fatal.error)),
    )
  } catch (error) {
    fail(describe(error))
  }
}

function findFunction(
  namespace: Namespace,
  exportName: string,
  method: InvokeMethod,
  modulePath: string,
): Registered | string {
  if (!(exportName in namespace)) return `Couldn't find "${exportName}" in module "${modulePath}".`
  const found = namespace[exportName]
  const path = `${modulePath}:${exportName}`
  const isFunctionLike = typeof found === 'function' || (typeof found === 'object' && found !== null)
  const registered = found as Registered
  const isQuery = isFunctionLike && registered['isQuery'] === true
  const isMutation = isFunctionLike && registered['isMutation'] === true
  if (isQuery === isMutation) {
    return `Function ${path} is neither a query or mutation. Did you forget to wrap it with \`query\` or \`mutation\`?`
  }
  const runsAs = method === 'invokeQuery' ? 'query' : 'mutation'
  const registeredAs = isQuery ? 'query' : 'mutation'
  if (runsAs !== registeredAs)
    return `Function ${path} is registered as a ${registeredAs} but is being run as a ${runsAs}.`
  if (typeof registered[method] !== 'function') {
    return `Function ${path} is neither a query or mutation. Did you forget to wrap it with \`query\` or \`mutation\`?`
  }
  return registered
}
