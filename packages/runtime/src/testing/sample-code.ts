import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { CodeBundle, EnvBundle, ExecuteRequest, ReuseTier, UdfType } from '../execution.ts'
import { prepareModule } from '../stateless/prepare-module.ts'

/** Registers handlers as the server library does, and names the syscalls. For modules written by hand. */
const prelude = `
const register = (kind, handler) => {
  const invoke = async (args) => JSON.stringify((await handler(...JSON.parse(args))) ?? null)
  return kind === 'query' ? { isQuery: true, isPublic: true, invokeQuery: invoke } : { isMutation: true, isPublic: true, invokeMutation: invoke }
}
const query = (handler) => register('query', handler)
const mutation = (handler) => register('mutation', handler)
const call = async (op, args = {}) => JSON.parse(await Convex.asyncSyscall(op, JSON.stringify(args)))
const open = () => JSON.parse(Convex.syscall('1.0/queryStream', JSON.stringify({ query: { source: {} } }))).queryId
const next = (queryId) => call('1.0/queryStreamNext', { queryId })
const close = (queryId) => JSON.parse(Convex.syscall('1.0/queryCleanup', JSON.stringify({ queryId })))
`

let version = 0

/** A code version of modules written by hand; each starts with `prelude`. `asChecked`: rewritten and rated as at a push. */
export function sampleCode(
  modules: Readonly<Record<string, string>>,
  reuse: ReuseTier | 'asChecked' = 'fresh',
): CodeBundle {
  return {
    version: `sample ${++version}`,
    importSeed: '00'.repeat(32),
    importTimeMs: 1_700_000_000_000,
    modules: new Map(
      Object.entries(modules).map(([path, body]) => {
        const source = prelude + body
        if (reuse !== 'asChecked') return [path, { path, source, sourceMap: undefined, reuse }]
        const prepared = prepareModule(source, path)
        return [path, { path, source: prepared.source, sourceMap: undefined, reuse: prepared.verdict.tier }]
      }),
    ),
  }
}

/** One module bundled with the real server library, as the official CLI does it. */
export async function bundledCode(source: string, options: { readonly prepare?: boolean } = {}): Promise<CodeBundle> {
  const result = await build({
    stdin: {
      contents: source,
      resolveDir: fileURLToPath(new URL('.', import.meta.url)),
      sourcefile: 'app.ts',
      loader: 'ts',
    },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'esnext',
    minifySyntax: true,
    minifyIdentifiers: true,
    keepNames: true,
    sourcemap: 'external',
    sourcesContent: false,
    outfile: 'out/app.js',
    write: false,
    define: { 'process.env.NODE_ENV': '"production"' },
    logLevel: 'silent',
  })
  const text = (suffix: string): string => result.outputFiles.find((file) => file.path.endsWith(suffix))?.text ?? ''
  const prepared = prepareModule(text('app.js'), 'app.js')
  return {
    version: `bundled ${++version}`,
    importSeed: '00'.repeat(32),
    importTimeMs: 1_700_000_000_000,
    modules: new Map([
      [
        'app.js',
        options.prepare === true
          ? { path: 'app.js', source: prepared.source, sourceMap: text('app.js.map'), reuse: prepared.verdict.tier }
          : { path: 'app.js', source: text('app.js'), sourceMap: text('app.js.map'), reuse: 'fresh' },
      ],
    ]),
  }
}

export const emptyEnv: EnvBundle = { version: 'empty', variables: {} }

/** A request for `exportName` of the only or the named module. */
export function sampleRequest(
  code: CodeBundle,
  exportName: string,
  options: {
    readonly udfType?: UdfType
    readonly args?: unknown
    readonly modulePath?: string
    readonly env?: EnvBundle
    readonly seed?: string
    readonly nowMs?: number
  } = {},
): ExecuteRequest {
  return {
    udfType: options.udfType ?? 'query',
    code,
    env: options.env ?? emptyEnv,
    componentId: '',
    modulePath: options.modulePath ?? (code.modules.keys().next().value as string),
    exportName,
    argsText: JSON.stringify([options.args ?? {}]),
    seed: options.seed ?? '11'.repeat(32),
    nowMs: options.nowMs ?? 1_750_000_000_000,
  }
}
