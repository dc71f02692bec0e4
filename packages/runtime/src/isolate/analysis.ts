/** What a push learns from evaluated modules (function-runtime.md §1.7–1.10). Results are JSON text; errors are thrown. */
import type { Namespace } from './invoke.ts'
import { functionToString, jsonParse, jsonStringify, NativeError, ownKeys, stringSlice } from './primordials.ts'

type Exported = Readonly<Record<string, unknown>>
type UdfTypeName = 'Query' | 'Mutation' | 'Action'

export type AnalyzedFunction = {
  readonly name: string
  /** How the handler's text begins; the host, which has the source map, finds it by this. */
  readonly handler: string | null
  readonly udfType: UdfTypeName
  readonly visibility: { readonly kind: 'public' | 'internal' }
  readonly args: string
  readonly returns: string
}

function asExported(value: unknown): Exported | undefined {
  return typeof value === 'function' || (typeof value === 'object' && value !== null) ? (value as Exported) : undefined
}

function udfTypeOf(exported: Exported): UdfTypeName | undefined {
  const isQuery = exported['isQuery'] === true
  const isMutation = exported['isMutation'] === true
  const isAction = exported['isAction'] === true
  if (Number(isQuery) + Number(isMutation) + Number(isAction) !== 1) return undefined
  if (isQuery) return 'Query'
  return isMutation ? 'Mutation' : 'Action'
}

function validatorText(
  exported: Exported,
  method: 'exportArgs' | 'exportReturns',
  where: string,
  absent: string,
): string {
  const exportValidator = exported[method]
  if (typeof exportValidator !== 'function') return absent
  const text: unknown = (exportValidator as (this: unknown) => unknown).call(exported)
  if (typeof text !== 'string') {
    throw new NativeError(`Invalid ${method} return value: ${where}.${method}() didn't return a string.`)
  }
  try {
    jsonParse(text)
  } catch (error) {
    throw new NativeError(`Invalid JSON returned from ${where}.${method}(): ${(error as Error).message}`)
  }
  return text
}

/** Enough to tell handlers apart. */
const maxHandlerLength = 2000

function handlerText(handler: unknown): string | null {
  return typeof handler === 'function' ? stringSlice(functionToString(handler), 0, maxHandlerLength) : null
}

/** `{functions, reuseContext}`: every export that is a function of exactly one kind and one visibility. */
export function analyze(namespace: Namespace, modulePath = ''): string {
  const functions: AnalyzedFunction[] = []
  for (const name of ownKeys(namespace)) {
    if (typeof name !== 'string') continue
    const exported = asExported(namespace[name])
    if (exported === undefined) continue
    const udfType = udfTypeOf(exported)
    const isPublic = exported['isPublic'] === true
    if (udfType === undefined || isPublic === (exported['isInternal'] === true)) continue
    const where = `${modulePath}:${name}`
    functions.push({
      name,
      handler: handlerText(exported['_handler']),
      udfType,
      visibility: { kind: isPublic ? 'public' : 'internal' },
      args: validatorText(exported, 'exportArgs', where, '{"type":"any"}'),
      returns: validatorText(exported, 'exportReturns', where, 'null'),
    })
  }
  return jsonStringify({ functions, reuseContext: namespace['experimental_reuseContext'] === true })
}

/** `[{path, method}]` of `http.js`: exact routes first, then prefix routes. */
export function routes(namespace: Namespace): string {
  const router = asExported(namespace['default'])
  if (router === undefined) throw new NativeError('`convex/http.js` must have a default export of a Router.')
  if (router['isRouter'] !== true || typeof router['getRoutes'] !== 'function') {
    throw new NativeError('The default export of `convex/http.js` is not a Router.')
  }
  const listed = (router['getRoutes'] as (this: unknown) => readonly (readonly [string, string, unknown])[]).call(
    router,
  )
  const exact: object[] = []
  const prefixed: object[] = []
  for (const [path, method] of listed) (path.endsWith('*') ? prefixed : exact).push({ path, method })
  return jsonStringify([...exact, ...prefixed])
}

/** What `crons.export()` returns: JSON text of `{[identifier]: {name, args, schedule}}`. */
export function crons(namespace: Namespace): string {
  const exported = asExported(namespace['default'])
  if (exported === undefined) throw new NativeError('`convex/crons.js` must have a default export of a Crons object.')
  if (exported['isCrons'] !== true || typeof exported['export'] !== 'function') {
    throw new NativeError('The default export of `convex/crons.js` is not a Crons object.')
  }
  return exportedText((exported['export'] as (this: unknown) => unknown).call(exported))
}

/** What the schema's `export()` returns: JSON text of `{tables, schemaValidation}`. */
export function schema(namespace: Namespace): string {
  const exported = asExported(namespace['default'])
  if (exported === undefined) throw new NativeError('Schema file missing default export.')
  if (typeof exported['export'] !== 'function' || typeof exported['tables'] !== 'object') {
    throw new NativeError("Default export from schema file isn't a Convex schema.")
  }
  return exportedText((exported['export'] as (this: unknown) => unknown).call(exported))
}

/** The analysis of an app or component definition (`convex.config.js`). The host adds `path`. */
export function definition(namespace: Namespace): string {
  const names = ownKeys(namespace).filter((name) => typeof name === 'string')
  const exported = asExported(namespace['default'])
  if (exported === undefined || names.length !== 1) {
    throw new NativeError('A component definition must have a default export and no other export.')
  }
  if (typeof exported['export'] !== 'function') {
    throw new NativeError(
      'The default export of a component definition must be made by `defineApp` or `defineComponent`.',
    )
  }
  return jsonStringify((exported['export'] as (this: unknown) => unknown).call(exported))
}

export function authConfig(namespace: Namespace): string {
  const exported = namespace['default']
  const text: string | undefined = jsonStringify(exported)
  if (exported === undefined || text === undefined) throw new NativeError('auth config file is missing default export')
  return text
}

function exportedText(value: unknown): string {
  return typeof value === 'string' ? value : jsonStringify(value)
}
