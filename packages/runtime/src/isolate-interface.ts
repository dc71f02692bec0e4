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
export const glueMembers = ['beginImport', 'endImport', 'call', 'endCall', 'freeze', 'inspect'] as const
export type GlueMember = (typeof glueMembers)[number]

/** What `inspect` can tell about an evaluated module; see `isolate/analysis.ts`. */
export type Inspection = 'analyze' | 'routes' | 'crons' | 'schema' | 'definition' | 'authConfig'

/** Files that are evaluated under rules of their own: no clock, no randomness, no environment but for the app. */
export type DefinitionKind = 'appDefinition' | 'componentDefinition'

/**
 * What the glue asks of the runner. It keeps the books of cursors, so that only what needs the runner crosses the border:
 * `opened` is the argument text of the `1.0/queryStream` that the first `1.0/queryStreamNext` of a cursor is about, and
 * `closed` the ids, joined by commas, of cursors cleaned up since the last call. Both are absent if there are none.
 * An answer to `1.0/queryStreamNext` may begin with `2` in place of `0`: this row is known to be the last.
 */
export type GlueHost = (op: string, argsText: string, opened?: string, closed?: string) => string

/** How a call ended. `settled` is undefined if its promise never settled; `logsText` is empty if there is nothing to tell. */
export type CallEndTexts = {
  readonly settled: { readonly ok: boolean; readonly text: string } | undefined
  /** JSON of `CallLogs`. */
  readonly logsText: string
  /** As in `GlueHost`. */
  readonly closed: string
}

/**
 * Layout: `0` resolved, `1` rejected, `2` neither; the logs, a line break (JSON has none), the cursors closed, a line
 * break, the result or the error.
 */
export function decodeCallEnd(text: string): CallEndTexts {
  const logsEnd = text.indexOf('\n')
  const closedEnd = text.indexOf('\n', logsEnd + 1)
  const state = text[0]
  return {
    settled: state === '2' ? undefined : { ok: state === '0', text: text.slice(closedEnd + 1) },
    logsText: text.slice(1, logsEnd),
    closed: text.slice(logsEnd + 1, closedEnd),
  }
}

/**
 * - `beginImport(seed, nowMs, envJson, kind?)`: a `DefinitionKind`, where it is one
 * - `endImport(namespace?, modulePath?)`: JSON of `CallLogs`; the entry stays for the calls to come
 * - `call(udfType, exportName, argsText, seed, nowMs, firstQueryId)`: the function settles during this call or its microtasks, or never
 * - `endCall()`: one text for `decodeCallEnd`
 * - `freeze(...namespaces)`: undefined, or the reason why not
 * - `inspect(what)`: `0` + JSON text, or `1` + JSON of an `ErrorDescription`
 */
export const isolateGlue = `
globalThis.__runner = (() => {
  'use strict'
  const concave = globalThis.__concave
  const parse = JSON.parse
  const slice = Function.prototype.call.bind(String.prototype.slice)
  const emptyLogs = concave.endCall()
  let entry
  let entryPath
  let settledState = '2'
  let settledText = ''
  const onSettled = (ok, text) => {
    settledState = ok ? '0' : '1'
    settledText = text
  }
  // By id: the argument text of a cursor that the runner does not know of yet, or true.
  let cursors
  let nextQueryId = 0
  let closed = ''
  // Its next row is known not to exist, as long as nothing but rows is asked for.
  let exhaustedId
  const ask = (host, op, args, opened) => {
    if (opened === '' && closed === '') return host(op, args)
    const closedNow = closed
    closed = ''
    return host(op, args, opened, closedNow)
  }
  const nextRow = (host, args) => {
    const id = parse(args).queryId
    if (id === exhaustedId && id !== undefined) return '0{"value":null,"done":true}'
    const cursor = typeof id === 'number' ? cursors[id] : undefined
    const isNew = typeof cursor === 'string'
    if (isNew) cursors[id] = true
    const answer = ask(host, '1.0/queryStreamNext', args, isNew ? cursor : '')
    if (answer[0] !== '2') return answer
    exhaustedId = id
    return '0' + slice(answer, 1)
  }
  const close = (args) => {
    const id = parse(args).queryId
    const cursor = typeof id === 'number' ? cursors[id] : undefined
    if (cursor === undefined) return '0false'
    delete cursors[id]
    if (id === exhaustedId) exhaustedId = undefined
    if (cursor === true) closed += closed === '' ? id : ',' + id
    return '0true'
  }
  const callHost = (host, op, args) => {
    if (op === '1.0/queryStream') {
      cursors[nextQueryId] = args
      return '0{"queryId":' + nextQueryId++ + '}'
    }
    if (op === '1.0/queryStreamNext') return nextRow(host, args)
    if (op === '1.0/queryCleanup') return close(args)
    exhaustedId = undefined
    return ask(host, op, args, '')
  }
  return {
    beginImport: (seed, nowMs, envJson, kind) => concave.beginImport({ seed, nowMs, env: parse(envJson), kind }),
    endImport: (namespace, modulePath) => {
      entry = namespace
      entryPath = modulePath
      return concave.endCall()
    },
    call: (udfType, exportName, argsText, seed, nowMs, firstQueryId) => {
      settledState = '2'
      settledText = ''
      cursors = { __proto__: null }
      nextQueryId = firstQueryId
      closed = ''
      exhaustedId = undefined
      concave.beginCall({ udfType, seed, nowMs })
      const method = udfType === 'query' ? 'invokeQuery' : 'invokeMutation'
      concave.invoke(entry, exportName, method, argsText, onSettled, entryPath)
    },
    endCall: () => {
      const logs = concave.endCall()
      return settledState + (logs === emptyLogs ? '' : logs) + '\\n' + closed + '\\n' + settledText
    },
    freeze: (...namespaces) => concave.freeze(namespaces),
    inspect: (what) => {
      try {
        return '0' + concave[what](entry, entryPath)
      } catch (error) {
        return '1' + concave.describeError(error)
      }
    },
    lockDown: (host, compute) => {
      concave.setCompute(compute)
      concave.setHost((op, args) => callHost(host, op, args))
      delete globalThis.__concave
      delete globalThis.__runner
    },
  }
})()
`
