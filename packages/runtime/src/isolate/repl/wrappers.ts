/**
 * `convex:/_system/repl/wrappers.js`: what one-off queries import (`npx convex run --inline-query`, dashboards). They come
 * as bare source, without the library that pushed code brings along, so this is its read-only part: `ctx.db`, `ctx.auth`
 * and `ctx.runQuery`.
 */
import { Query } from './query.ts'
import { asyncSyscall, syscall } from './syscalls.ts'
import { decode, encode } from './values.ts'

type Handler = (context: object, ...args: unknown[]) => unknown
type Definition = Handler | { readonly handler: Handler }

function openReader(isSystem: boolean) {
  return {
    query: (table: string) => new Query(table),
    get: async (...args: readonly [id: string] | readonly [table: string, id: string]) => {
      const [id, table] = args.length === 2 ? [args[1], args[0]] : [args[0], undefined]
      return decode(await asyncSyscall('1.0/get', { id, table, isSystem }))
    },
    normalizeId: (table: string, idString: string) =>
      (syscall('1.0/db/normalizeId', { table, idString }) as { readonly id: string | null }).id,
  }
}

const context = {
  db: { ...openReader(false), system: openReader(true) },
  auth: { getUserIdentity: async () => await asyncSyscall('1.0/getUserIdentity', { requestId: '' }) },
  /** `name` as on the command line, for there is no generated `api` to import: `messages:list`. */
  runQuery: async (name: string, args: object = {}) =>
    decode(await asyncSyscall('1.0/runUdf', { udfType: 'query', name, args: encode(args) })),
}

function register(definition: Definition, visibility: 'isPublic' | 'isInternal') {
  const handler = typeof definition === 'function' ? definition : definition.handler
  return {
    isQuery: true,
    [visibility]: true,
    exportArgs: () => '{"type":"any"}',
    exportReturns: () => 'null',
    invokeQuery: async (argsText: string) => {
      const args = (JSON.parse(argsText) as readonly unknown[]).map(decode)
      const result = await handler(context, ...args)
      return JSON.stringify(encode(result ?? null))
    },
  }
}

export const query = (definition: Definition) => register(definition, 'isPublic')
export const internalQuery = (definition: Definition) => register(definition, 'isInternal')
