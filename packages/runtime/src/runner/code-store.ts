import type ivm from 'isolated-vm'
import type { ReuseTier } from '../execution.ts'
import type { LoadCodeHeader } from '../protocol.ts'

/** One module of a loaded version. `cachedData` is V8's code cache, made by this process from this source. */
export type LoadedModule = {
  readonly path: string
  readonly source: string
  readonly reuse: ReuseTier
  cachedData: ivm.ExternalCopy<ArrayBuffer> | undefined
}

export type LoadedCode = LoadCodeHeader & { readonly modules: ReadonlyMap<string, LoadedModule> }

/** Versions of code and environment that the supervisor has sent; it also says when to drop them. */
export class CodeStore {
  readonly #code = new Map<string, LoadedCode>()
  readonly #env = new Map<string, string>()

  /** `triples`: path, source, reuse tier of each module. */
  loadCode(header: LoadCodeHeader, triples: readonly string[]): void {
    const modules = new Map<string, LoadedModule>()
    for (let i = 0; i + 2 < triples.length; i += 3) {
      const path = triples[i] as string
      modules.set(path, {
        path,
        source: triples[i + 1] as string,
        reuse: triples[i + 2] as ReuseTier,
        cachedData: undefined,
      })
    }
    this.#code.set(header.version, { ...header, modules })
  }

  dropCode(version: string): void {
    this.#code.delete(version)
  }

  loadEnv(version: string, variablesJson: string): void {
    this.#env.set(version, variablesJson)
  }

  dropEnv(version: string): void {
    this.#env.delete(version)
  }

  getCode(version: string): LoadedCode {
    const code = this.#code.get(version)
    if (code === undefined) throw new Error(`Code version ${version} is not loaded.`)
    return code
  }

  getEnv(version: string): string {
    const env = this.#env.get(version)
    if (env === undefined) throw new Error(`Environment version ${version} is not loaded.`)
    return env
  }
}
