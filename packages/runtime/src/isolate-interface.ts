/**
 * The border to the code inside an isolate (`isolate/entry.ts`, hidden global `__concave`). `isolateGlue` runs after it
 * in the V8 snapshot and offers the same with arguments that cross cheaply: strings, numbers, and references that user
 * code never sees. The runner takes its functions and calls `lockDown` before any user code runs.
 */

/** One stack frame as V8 reports it, before source maps. Lines and columns count from 1. */
export type RawFrame = {
  readonly typeName?: string | null
  readonly functionName: string | null
  readonly methodName?: string | null
  readonly fileName: string | null
  readonly lineNumber: number | null
  readonly columnNumber: number | null
  readonly isToplevel?: boolean
  readonly isConstructor?: boolean
  readonly isAsync: boolean
  readonly isPromiseAll?: boolean
  readonly promiseIndex?: number | null
}

export type ErrorDescription = {
  /** `Uncaught Error: text`, or a text of the platform's own; without frames. */
  readonly message: string
  readonly frames: readonly RawFrame[]
  /** JSON text of a ConvexError's data. */
  readonly data?: string
  /** Someone wrote to a frozen object. */
  readonly frozenWrite: boolean
}

/** Functions of the glue, in its own order. */
export const glueMembers = ['beginImport', 'call', 'endCall', 'freeze', 'inspect'] as const
export type GlueMember = (typeof glueMembers)[number]

/** What `inspect` can tell about an evaluated module; see `isolate/analysis.ts`. */
export type Inspection = 'analyze' | 'routes' | 'crons' | 'schema' | 'definition' | 'authConfig'

/**
 * - `beginImport(seed, nowMs, envJson)`
 * - `call(namespace, udfType, modulePath, exportName, argsText, seed, nowMs, onSettled)`: `onSettled(ok, text)` gets the
 *   result's text or the JSON of an `ErrorDescription`, during this call or its microtasks, or never
 * - `endCall()`: JSON of `CallLogs`
 * - `freeze(...namespaces)`: undefined, or the reason why not
 * - `inspect(what, namespace, modulePath)`: `0` + JSON text, or `1` + JSON of an `ErrorDescription`
 */
export const isolateGlue = `
globalThis.__runner = (() => {
  'use strict'
  const concave = globalThis.__concave
  const parse = JSON.parse
  return {
    beginImport: (seed, nowMs, envJson) => concave.beginImport({ seed, nowMs, env: parse(envJson) }),
    call: (namespace, udfType, modulePath, exportName, argsText, seed, nowMs, onSettled) => {
      concave.beginCall({ udfType, seed, nowMs })
      const method = udfType === 'query' ? 'invokeQuery' : 'invokeMutation'
      concave.invoke(namespace, exportName, method, argsText, onSettled, modulePath)
    },
    endCall: () => concave.endCall(),
    freeze: (...namespaces) => concave.freeze(namespaces),
    inspect: (what, namespace, modulePath) => {
      try {
        return '0' + concave[what](namespace, modulePath)
      } catch (error) {
        return '1' + concave.describeError(error)
      }
    },
    lockDown: (host) => {
      concave.setHost(host)
      delete globalThis.__concave
      delete globalThis.__runner
    },
  }
})()
`
