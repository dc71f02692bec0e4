import { readFileSync } from 'node:fs'
import type { Libc } from './libc.ts'

const resourceData = 2

/**
 * The kernel's limit on what this process may allocate. V8 reserves some 500 MB of address space per isolate, which counts
 * as data although it is never touched; so each further isolate raises the soft limit by its reservation, and by no more.
 * The hard limit holds whatever happens.
 */
export class DataLimit {
  readonly #libc: Libc
  readonly #isolateBytes: number
  readonly #hardBytes: number
  #softBytes: number

  private constructor(options: {
    readonly libc: Libc
    readonly softBytes: number
    readonly hardBytes: number
    readonly isolateBytes: number
  }) {
    this.#libc = options.libc
    this.#softBytes = options.softBytes
    this.#hardBytes = options.hardBytes
    this.#isolateBytes = options.isolateBytes
  }

  /**
   * Limits data to what the process has now plus `growthBytes`; undefined if the system refuses. At process start the
   * limit would fail. `isolateBytes`: what the first isolate added.
   */
  static install(
    libc: Libc,
    options: { readonly growthBytes: number; readonly isolateBytes: number; readonly furtherIsolates: number },
  ): DataLimit | undefined {
    const usedBytes = readDataBytes()
    if (usedBytes === undefined) return undefined
    const softBytes = usedBytes + options.growthBytes
    const hardBytes = softBytes + options.isolateBytes * options.furtherIsolates
    const limit = new DataLimit({ libc, softBytes, hardBytes, isolateBytes: options.isolateBytes })
    return limit.#apply() ? limit : undefined
  }

  /** Makes room for a further isolate. */
  allowIsolate(): void {
    this.#softBytes = Math.min(this.#hardBytes, this.#softBytes + this.#isolateBytes)
    this.#apply()
  }

  #apply(): boolean {
    return this.#libc.setrlimit(resourceData, { current: this.#softBytes, maximum: this.#hardBytes }) === 0
  }
}

/** Private writable memory of this process, reservations included. Undefined where there is no procfs. */
export function readDataBytes(): number | undefined {
  if (process.platform !== 'linux') return undefined
  const match = /^VmData:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))
  return match === null ? undefined : Number(match[1]) * 1024
}
