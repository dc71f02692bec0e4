/** Test support: prepared modules in a realm of the runner, with the real isolate script, called one time after the other. */
import ivm from 'isolated-vm'
import { loadIsolateScript } from '../isolate-bundle.ts'
import type { ErrorDescription } from '../isolate-interface.ts'
import type { LoadedModule } from '../runner/code-store.ts'
import { Realm } from '../runner/realm.ts'
import { prepareModule } from './prepare-module.ts'

/** `isFlagged`: the isolate noticed a write to something frozen, so that the runner repeats the call in a fresh context. */
export type CallResult = { readonly isFlagged: boolean } & (
  | { readonly kind: 'returned'; readonly text: string }
  | { readonly kind: 'threw'; readonly message: string }
  | { readonly kind: 'pending' }
)

/** The function that the tests call, behind the app's text: it runs any export of the app. */
const caller = `
import * as testNamespace from "./app.js"
const testEncode = (_key, value) => typeof value === "bigint" ? value + "n" : value === undefined ? "undefined" : value
export const testCaller = Object.assign(() => {}, {
  isQuery: true,
  invokeQuery: async (text) => {
    const [name, ...args] = JSON.parse(text)
    return JSON.stringify(await testNamespace[name](...args), testEncode) ?? "undefined"
  },
})
`

let isolate: Promise<ivm.Isolate> | undefined

async function createIsolate(): Promise<ivm.Isolate> {
  const snapshot = ivm.Isolate.createSnapshot([{ code: await loadIsolateScript() }])
  return new ivm.Isolate({ snapshot, memoryLimit: 128 })
}

export class TestRealm {
  readonly #realm: Realm

  private constructor(realm: Realm) {
    this.#realm = realm
  }

  /** Evaluates `source`. Without `isFrozen` the graph stays as a fresh context has it. */
  static async create(
    source: string,
    options: { readonly isRewritten: boolean; readonly isFrozen: boolean },
  ): Promise<TestRealm> {
    isolate ??= createIsolate()
    const text = options.isRewritten ? prepareModule(source, 'app.js').source : source
    const module: LoadedModule = {
      path: 'app.js',
      source: text + caller,
      reuse: options.isFrozen ? 'stateless' : 'fresh',
      cachedData: undefined,
    }
    const realm = Realm.create({
      isolate: await isolate,
      host: new ivm.Callback(() => '0null'),
      code: {
        version: '1',
        importSeed: '11'.repeat(32),
        importTimeMs: 1_700_000_000_000,
        modules: new Map([['app.js', module]]),
      },
      envJson: '{}',
      entryPath: 'app.js',
      forceFresh: false,
    })
    if (!(realm instanceof Realm)) throw new Error(realm.error.message)
    return new TestRealm(realm)
  }

  /** Whether the graph is frozen: the isolate may refuse. */
  get isFrozen(): boolean {
    return this.#realm.tier === 'stateless'
  }

  call(exportName: string, ...args: readonly unknown[]): CallResult {
    let thrown: unknown
    try {
      this.#realm.invoke({
        udfType: 'query',
        exportName: 'testCaller',
        argsText: JSON.stringify([exportName, ...args]),
        seed: '22'.repeat(32),
        nowMs: 1_700_000_005_000,
      })
    } catch (error) {
      // An unhandled rejection.
      thrown = error
    }
    const { settled, logs } = this.#realm.endCall()
    const { frozenWrite } = logs
    if (thrown !== undefined)
      return {
        kind: 'threw',
        message: thrown instanceof Error ? thrown.message : typeof thrown,
        isFlagged: frozenWrite,
      }
    if (settled === undefined) return { kind: 'pending', isFlagged: frozenWrite }
    if (settled.ok) return { kind: 'returned', text: settled.text, isFlagged: frozenWrite }
    const error = JSON.parse(settled.text) as ErrorDescription
    return { kind: 'threw', message: error.message, isFlagged: frozenWrite || error.frozenWrite }
  }

  dispose(): void {
    this.#realm.release()
  }
}
