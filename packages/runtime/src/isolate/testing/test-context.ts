/** Test support: contexts made from a V8 snapshot of the real script, driven as the runner drives them. */
import { build } from 'esbuild'
import ivm from 'isolated-vm'
import { fileURLToPath } from 'node:url'
import { answerCrypto } from '../../runner/crypto.ts'
import { bundleIsolateScript } from '../bundle.ts'

export type Settled = {
  /** `[ok, text]` of `onSettled`; undefined if the promise never settled. */
  readonly settled: readonly [ok: boolean, text: string] | undefined
  readonly end: {
    readonly logLines: readonly {
      readonly messages: readonly string[]
      readonly level: string
      readonly timestamp: number
      readonly isTruncated: boolean
      readonly traceFrames?: readonly { readonly functionName: string | null }[]
    }[]
    readonly observed: { readonly time: boolean; readonly env: readonly string[] }
    readonly frozenWrite: boolean
  }
}
export type HostAnswer = (operation: string, argsText: string) => string
type CallOptions = {
  readonly udfType?: 'query' | 'mutation'
  readonly seed?: string
  readonly nowMs?: number
  readonly args?: unknown
}

export const importSeed = '11'.repeat(32)
export const importTimeMs = 1_700_000_000_000
export const callSeed = '22'.repeat(32)
export const callTimeMs = 1_700_000_005_000

let snapshot: Promise<ivm.ExternalCopy<ArrayBuffer>> | undefined

export async function createTestIsolate(): Promise<ivm.Isolate> {
  snapshot ??= bundleIsolateScript().then((code) => ivm.Isolate.createSnapshot([{ code }]))
  return new ivm.Isolate({ snapshot: await snapshot, memoryLimit: 128 })
}

/** Bundles TypeScript text that may import npm packages into one module. */
export async function bundleModule(source: string): Promise<string> {
  const result = await build({
    stdin: { contents: source, resolveDir: fileURLToPath(new URL('.', import.meta.url)), loader: 'ts' },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'esnext',
    logLevel: 'silent',
  })
  return result.outputFiles[0]?.text ?? ''
}

export class TestContext {
  readonly #context: ivm.Context
  readonly #isolate: ivm.Isolate
  readonly #functions = new Map<string, ivm.Reference>()
  #namespace: ivm.Reference | undefined
  host: HostAnswer = () => '0null'

  private constructor(isolate: ivm.Isolate) {
    this.#isolate = isolate
    this.#context = isolate.createContextSync()
    const concave = this.#context.evalSync('__concave', { reference: true }) as ivm.Reference
    for (const name of this.#context.evalSync('Object.keys(__concave).join()').split(',') as string[]) {
      this.#functions.set(name, concave.getSync(name, { reference: true }) as ivm.Reference)
    }
    this.#context.evalSync('delete globalThis.__concave')
    this.#call('setCompute', [new ivm.Callback(answerCrypto)])
    this.#call('setHost', [new ivm.Callback((operation: string, argsText: string) => this.host(operation, argsText))])
  }

  /** A context in its import phase. */
  static async create(env: Readonly<Record<string, string>> = {}): Promise<TestContext> {
    const context = new TestContext(await createTestIsolate())
    context.beginImport(env)
    return context
  }

  beginImport(env: Readonly<Record<string, string>> = {}, kind = 'module'): void {
    this.#copyCall('beginImport', { seed: importSeed, nowMs: importTimeMs, env, kind })
  }

  beginCall(options: CallOptions = {}): void {
    const { udfType = 'query', seed = callSeed, nowMs = callTimeMs } = options
    this.#copyCall('beginCall', { udfType, seed, nowMs })
  }

  endCall(): Settled['end'] {
    return JSON.parse(this.#call('endCall', []) as string) as Settled['end']
  }

  /** Evaluates a script's expression; the value crosses as JSON. */
  evaluate(expression: string): unknown {
    const text = this.#context.evalSync(`JSON.stringify({ value: (${expression}) })`) as string
    return (JSON.parse(text) as { value?: unknown }).value
  }

  /** Evaluates an expression inside a query; promises are awaited. */
  async run(expression: string, options: CallOptions = {}): Promise<unknown> {
    this.beginCall(options)
    try {
      const code = `(async () => JSON.stringify({ value: await (${expression}) }))()`
      const text = (await this.#context.eval(code, { promise: true })) as string
      return (JSON.parse(text) as { value?: unknown }).value
    } finally {
      this.endCall()
    }
  }

  /** Evaluates `source` as the context's only module. */
  load(source: string, path = 'app.js'): void {
    const module = this.#isolate.compileModuleSync(source, { filename: path })
    module.instantiateSync(this.#context, (specifier) => {
      throw new Error(`unexpected import of ${specifier}`)
    })
    module.evaluateSync()
    this.#namespace = module.namespace
  }

  async loadBundled(source: string): Promise<void> {
    this.load(await bundleModule(source))
  }

  freeze(): string | undefined {
    const roots = this.#context.evalClosureSync(
      'return [...arguments]',
      this.#namespace === undefined ? [] : [this.#namespace.derefInto()],
      {
        result: { reference: true },
      },
    ) as ivm.Reference
    return this.#call('freeze', [roots.derefInto()]) as string | undefined
  }

  invoke(exportName: string, options: CallOptions = {}): Settled {
    this.beginCall(options)
    let settled: readonly [boolean, string] | undefined
    const onSettled = new ivm.Callback((ok: boolean, text: string) => {
      settled = [ok, text]
    })
    const method = options.udfType === 'mutation' ? 'invokeMutation' : 'invokeQuery'
    const argsText = JSON.stringify([options.args ?? {}])
    this.#call('invoke', [this.#namespace?.derefInto(), exportName, method, argsText, onSettled, 'app.js'])
    return { settled, end: this.endCall() }
  }

  /** One of the analysis functions; what it throws is thrown here. */
  analyze(name: string): unknown {
    return JSON.parse(this.#call(name, [this.#namespace?.derefInto(), 'app.js']) as string)
  }

  #call(name: string, args: unknown[]): unknown {
    const reference = this.#functions.get(name)
    if (reference === undefined) throw new Error(`no function ${name}`)
    return reference.applySync(undefined, args) as unknown
  }

  #copyCall(name: string, options: unknown): void {
    this.#functions.get(name)?.applySync(undefined, [options], { arguments: { copy: true } })
  }
}
