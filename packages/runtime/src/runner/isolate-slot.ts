import ivm from 'isolated-vm'
import type { DefinitionKind, GlueHost } from '../isolate-interface.ts'
import type { GraphKey } from '../protocol.ts'
import type { CodeStore } from './code-store.ts'
import { Realm, type ImportFailure } from './realm.ts'
import { runnerLimits } from './runner-limits.ts'

/**
 * One isolate and the realms that wait in it: made ahead, or proven reusable. Each depth of nesting has its own slot,
 * because the microtask queue belongs to the isolate: a nested call could not settle in its caller's.
 */
export class IsolateSlot {
  readonly #snapshot: ivm.ExternalCopy<ArrayBuffer>
  readonly #memoryMb: number
  readonly #store: CodeStore
  readonly #realms = new Map<string, Realm[]>()
  readonly #hostCallback: ivm.Callback
  #isolate: ivm.Isolate
  #host: GlueHost | undefined
  #waiting = 0

  constructor(options: {
    readonly snapshot: ivm.ExternalCopy<ArrayBuffer>
    readonly memoryMb: number
    readonly store: CodeStore
  }) {
    this.#snapshot = options.snapshot
    this.#memoryMb = options.memoryMb
    this.#store = options.store
    this.#hostCallback = new ivm.Callback((op: string, argsText: string, opened?: string, closed?: string) => {
      if (this.#host === undefined) throw new Error('No execution is running.')
      return this.#host(op, argsText, opened, closed)
    })
    this.#isolate = this.#createIsolate()
  }

  /** Answers the syscalls of the execution that runs in the slot. */
  set host(host: GlueHost | undefined) {
    this.#host = host
  }

  /** A realm for one call: a waiting one or a new one. */
  take(key: GraphKey, forceFresh: boolean, importKind?: DefinitionKind): Realm | ImportFailure {
    const waiting = forceFresh ? undefined : this.#realms.get(graphText(key))?.pop()
    if (waiting !== undefined) {
      this.#waiting -= 1
      return waiting
    }
    return this.#createRealm(key, forceFresh, importKind)
  }

  /** Gives a realm back after a call. It waits for the next one if its tier allows that and there is room. */
  giveBack(key: GraphKey, realm: Realm, mayReuse: boolean): void {
    if (this.#isolate.isDisposed) return
    if (mayReuse && realm.tier !== 'fresh' && this.#waiting < runnerLimits.waitingRealms) this.#keep(key, realm)
    else realm.release()
  }

  /** Makes a realm ahead of its call, unless enough wait already. */
  prepare(key: GraphKey): void {
    const same = this.#realms.get(graphText(key)) ?? []
    if (same.length >= runnerLimits.preparedPerGraph || same.some((realm) => realm.tier !== 'fresh')) return
    if (this.#waiting >= runnerLimits.waitingRealms) this.#dropOldest()
    const realm = this.#createRealm(key, false)
    if (realm instanceof Realm) this.#keep(key, realm)
  }

  /** Forgets the realms of a version that will not be called again. */
  dropVersion(matches: (key: GraphKey) => boolean): void {
    for (const [text, realms] of this.#realms) {
      if (!matches(parseGraph(text))) continue
      for (const realm of realms) realm.release()
      this.#waiting -= realms.length
      this.#realms.delete(text)
    }
  }

  /** Ends what runs in the isolate so that user code cannot catch it. */
  terminate(): void {
    if (!this.#isolate.isDisposed) this.#isolate.dispose()
  }

  get isDisposed(): boolean {
    return this.#isolate.isDisposed
  }

  /** A new isolate in place of one that was terminated or ran out of memory. */
  renew(): void {
    this.#realms.clear()
    this.#waiting = 0
    this.#isolate = this.#createIsolate()
  }

  #createIsolate(): ivm.Isolate {
    return new ivm.Isolate({ memoryLimit: this.#memoryMb, snapshot: this.#snapshot })
  }

  #createRealm(key: GraphKey, forceFresh: boolean, importKind?: DefinitionKind): Realm | ImportFailure {
    return Realm.create({
      isolate: this.#isolate,
      host: this.#hostCallback,
      code: this.#store.getCode(key.codeVersion),
      envJson: this.#store.getEnv(key.envVersion),
      entryPath: key.modulePath,
      forceFresh,
      ...(importKind === undefined ? {} : { importKind }),
    })
  }

  #keep(key: GraphKey, realm: Realm): void {
    const text = graphText(key)
    const realms = this.#realms.get(text)
    // The map's order is the order of use: what was used last stands at the end.
    this.#realms.delete(text)
    this.#realms.set(text, realms === undefined ? [realm] : [...realms, realm])
    this.#waiting += 1
  }

  #dropOldest(): void {
    const oldest = this.#realms.entries().next().value
    if (oldest === undefined) return
    const [text, realms] = oldest
    for (const realm of realms) realm.release()
    this.#waiting -= realms.length
    this.#realms.delete(text)
  }
}

/** Versions are hashes: the separator can only occur in the path, which comes last. */
function graphText(key: GraphKey): string {
  return `${key.codeVersion}\n${key.envVersion}\n${key.modulePath}`
}

function parseGraph(text: string): GraphKey {
  const [codeVersion = '', envVersion = '', ...path] = text.split('\n')
  return { codeVersion, envVersion, modulePath: path.join('\n') }
}
