/** `Event` and `EventTarget` (WHATWG DOM §2) without a tree: dispatch runs the target's own listeners. */
import { noteCaught } from '../errors.ts'
import { assertMutable } from '../frozen-state.ts'
import { keep } from '../kept-values.ts'
import { performanceNow } from '../clock.ts'
import { defineInterface } from './interface.ts'

type EventInit = { readonly bubbles?: unknown; readonly cancelable?: unknown; readonly composed?: unknown }
type Listener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown }
type ListenerOptions = {
  readonly capture?: unknown
  readonly once?: unknown
  readonly passive?: unknown
  readonly signal?: EventTarget & { aborted: boolean }
}
type Registration = {
  readonly type: string
  readonly listener: Listener
  readonly capture: boolean
  readonly once: boolean
  readonly isPassive: boolean
  isRemoved: boolean
}

const setTarget = Symbol('setTarget')
const setTrusted = Symbol('setTrusted')
const setPassive = Symbol('setPassive')
let isStoppedImmediately: (event: Event) => boolean

export class Event {
  static readonly NONE = 0
  static readonly CAPTURING_PHASE = 1
  static readonly AT_TARGET = 2
  static readonly BUBBLING_PHASE = 3
  readonly #type: string
  readonly #bubbles: boolean
  readonly #cancelable: boolean
  readonly #composed: boolean
  readonly #timeStamp: number
  #target: EventTarget | null = null
  #isDispatching = false
  #isStopped = false
  #isStoppedImmediately = false
  #isCanceled = false
  #isTrusted = false
  /** Its listener may not prevent anything. */
  #isPassive = false

  constructor(type: unknown, init: EventInit = {}) {
    if (arguments.length === 0) throw new TypeError('1 argument required, but only 0 present.')
    this.#type = String(type)
    this.#bubbles = Boolean(init.bubbles)
    this.#cancelable = Boolean(init.cancelable)
    this.#composed = Boolean(init.composed)
    this.#timeStamp = performanceNow()
  }

  get type(): string {
    return this.#type
  }
  get target(): EventTarget | null {
    return this.#target
  }
  get srcElement(): EventTarget | null {
    return this.#target
  }
  get currentTarget(): EventTarget | null {
    return this.#isDispatching ? this.#target : null
  }
  get eventPhase(): number {
    return this.#isDispatching ? Event.AT_TARGET : Event.NONE
  }
  get bubbles(): boolean {
    return this.#bubbles
  }
  get cancelable(): boolean {
    return this.#cancelable
  }
  get composed(): boolean {
    return this.#composed
  }
  get defaultPrevented(): boolean {
    return this.#isCanceled
  }
  get returnValue(): boolean {
    return !this.#isCanceled
  }
  get cancelBubble(): boolean {
    return this.#isStopped
  }
  set cancelBubble(value: boolean) {
    if (value) this.stopPropagation()
  }
  get isTrusted(): boolean {
    return this.#isTrusted
  }
  get timeStamp(): number {
    return this.#timeStamp
  }

  composedPath(): EventTarget[] {
    return this.#isDispatching && this.#target !== null ? [this.#target] : []
  }
  preventDefault(): void {
    assertMutable(this)
    if (this.#cancelable && !this.#isPassive) this.#isCanceled = true
  }
  stopPropagation(): void {
    assertMutable(this)
    this.#isStopped = true
  }
  stopImmediatePropagation(): void {
    assertMutable(this)
    this.#isStopped = true
    this.#isStoppedImmediately = true
  }

  /** Begins or ends a dispatch. */
  [setTarget](target: EventTarget, isDispatching: boolean): void {
    assertMutable(this)
    if (isDispatching && this.#isDispatching) throw new TypeError('The event is already being dispatched.')
    this.#target = keep(target)
    this.#isDispatching = isDispatching
    if (isDispatching) this.#isStoppedImmediately = false
  }
  [setPassive](isPassive: boolean): void {
    this.#isPassive = isPassive
  }
  [setTrusted](): void {
    this.#isTrusted = true
  }

  static {
    isStoppedImmediately = (event) => event.#isStoppedImmediately
  }
}

export class EventTarget {
  #registrations: Registration[] = []

  addEventListener(type: unknown, listener: Listener | null, options: ListenerOptions | boolean = {}): void {
    if (arguments.length < 2) throw new TypeError("Failed to execute 'addEventListener': 2 arguments required.")
    if (listener === null || listener === undefined) return
    if (typeof listener !== 'function' && typeof listener !== 'object')
      throw new TypeError('The listener is neither a function nor an object')
    assertMutable(this)
    const bag: ListenerOptions = typeof options === 'object' && options !== null ? options : { capture: options }
    if (bag.signal?.aborted === true) return
    const wanted = {
      type: String(type),
      listener,
      capture: Boolean(bag.capture),
      once: Boolean(bag.once),
      isPassive: Boolean(bag.passive),
      isRemoved: false,
    }
    if (this.#find(wanted) !== undefined) return
    keep(listener)
    this.#registrations.push(wanted)
    if (bag.signal !== undefined) keep(this)
    bag.signal?.addEventListener('abort', () => this.removeEventListener(type, listener, bag))
  }

  removeEventListener(type: unknown, listener: Listener | null, options: ListenerOptions | boolean = {}): void {
    if (listener === null || listener === undefined) return
    assertMutable(this)
    const bag: ListenerOptions = typeof options === 'object' && options !== null ? options : { capture: options }
    const found = this.#find({ type: String(type), listener, capture: Boolean(bag.capture) })
    if (found !== undefined) this.#remove(found)
  }

  dispatchEvent(event: Event): boolean {
    if (!(event instanceof Event)) throw new TypeError("parameter 1 is not of type 'Event'.")
    event[setTarget](this, true)
    try {
      // The list is replaced, never changed, when listeners go; those added on the way are not called.
      const registrations = this.#registrations.slice()
      for (const registration of registrations) {
        if (registration.type !== event.type || registration.isRemoved) continue
        if (registration.once) this.#remove(registration)
        this.#call(registration, event)
        if (isStoppedImmediately(event)) break
      }
    } finally {
      event[setTarget](this, false)
    }
    return !event.defaultPrevented
  }

  /** There is no global error handler: what a listener throws becomes an unhandled rejection, which fails the function. */
  #call({ listener, isPassive }: Registration, event: Event): void {
    event[setPassive](isPassive)
    try {
      if (typeof listener === 'function') listener.call(this, event)
      else listener.handleEvent(event)
    } catch (error) {
      noteCaught(error)
      void Promise.reject(error)
    } finally {
      event[setPassive](false)
    }
  }

  #find(wanted: Pick<Registration, 'type' | 'listener' | 'capture'>): Registration | undefined {
    return this.#registrations.find(
      (known) => known.type === wanted.type && known.listener === wanted.listener && known.capture === wanted.capture,
    )
  }

  #remove(registration: Registration): void {
    assertMutable(this)
    registration.isRemoved = true
    this.#registrations = this.#registrations.filter((known) => known !== registration)
  }
}

/** An event of the platform itself. */
export function createTrustedEvent(type: string): Event {
  const event = new Event(type)
  event[setTrusted]()
  return event
}

export function installEvents(): void {
  defineInterface('Event', Event)
  defineInterface('EventTarget', EventTarget)
}
