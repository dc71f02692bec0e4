/** `AbortController` and `AbortSignal` (WHATWG DOM §3). `timeout` needs a timer and follows the timers' rule. */
import { assertMutable } from '../frozen-state.ts'
import { keep } from '../kept-values.ts'
import { DOMException } from './dom-exception.ts'
import { createTrustedEvent, type Event, EventTarget } from './events.ts'
import { defineInterface } from './interface.ts'
import { startTimer } from './timers.ts'

const token = Symbol('AbortSignal')
let abortSignal: (signal: AbortSignal, reason: unknown) => void

export class AbortSignal extends EventTarget {
  #isAborted = false
  #reason: unknown
  #dependents: AbortSignal[] = []
  #onAbort: ((event: Event) => unknown) | null = null
  readonly #callOnAbort = (event: Event): unknown => this.#onAbort?.call(this, event)

  static {
    abortSignal = (signal, reason) => signal.#abort(reason)
  }

  constructor(permission?: unknown) {
    if (permission !== token) throw new TypeError('Illegal constructor')
    super()
  }

  static abort(reason?: unknown): AbortSignal {
    const signal = new AbortSignal(token)
    signal.#isAborted = true
    signal.#reason = keep(reasonOrDefault(reason))
    return signal
  }

  static timeout(milliseconds: unknown): AbortSignal {
    const delayMs = Number(milliseconds)
    if (!(delayMs >= 0 && delayMs <= Number.MAX_SAFE_INTEGER))
      throw new TypeError(`${String(milliseconds)} is not a number of milliseconds`)
    const signal = new AbortSignal(token)
    startTimer(() => {
      signal.#abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'))
    }, delayMs)
    return signal
  }

  static any(signals: Iterable<AbortSignal>): AbortSignal {
    const combined = keep(new AbortSignal(token))
    for (const signal of signals) {
      if (signal.#isAborted) {
        combined.#isAborted = true
        combined.#reason = signal.#reason
        return combined
      }
    }
    for (const signal of signals) {
      assertMutable(signal)
      signal.#dependents.push(combined)
    }
    return combined
  }

  get aborted(): boolean {
    return this.#isAborted
  }
  get reason(): unknown {
    return this.#reason
  }
  get onabort(): ((event: Event) => unknown) | null {
    return this.#onAbort
  }
  set onabort(listener: ((event: Event) => unknown) | null) {
    assertMutable(this)
    const wasSet = this.#onAbort !== null
    this.#onAbort = typeof listener === 'function' ? keep(listener) : null
    // Another handler takes the place of the one before in the order of listeners.
    if (wasSet && this.#onAbort === null) this.removeEventListener('abort', this.#callOnAbort)
    else if (!wasSet && this.#onAbort !== null) this.addEventListener('abort', this.#callOnAbort)
  }

  throwIfAborted(): void {
    if (this.#isAborted) throw this.#reason
  }

  #abort(reason: unknown): void {
    if (this.#isAborted) return
    assertMutable(this)
    this.#isAborted = true
    this.#reason = keep(reasonOrDefault(reason))
    this.dispatchEvent(createTrustedEvent('abort'))
    for (const dependent of this.#dependents) dependent.#abort(this.#reason)
  }
}

function reasonOrDefault(reason: unknown): unknown {
  return reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason
}

export class AbortController {
  readonly #signal = keep(new AbortSignal(token))

  get signal(): AbortSignal {
    return this.#signal
  }

  abort(reason?: unknown): void {
    abortSignal(this.#signal, reason)
  }
}

/** A signal that nothing aborts, for requests made without one. */
export function createIdleSignal(): AbortSignal {
  return new AbortSignal(token)
}

export function installAbort(): void {
  defineInterface('AbortSignal', AbortSignal)
  defineInterface('AbortController', AbortController)
}
