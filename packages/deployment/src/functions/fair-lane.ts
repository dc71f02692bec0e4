/**
 * Admission of mutations: one after another, fair between clients, each on the newest applied commit. A call that holds
 * the lane for longer than `patienceMs` (see `Patience`) while others wait lets the next one start beside it; read set validation at
 * commit then decides. An exclusive call waits until it is alone and lets nobody start beside it.
 *
 * The calls whose turns come next may prepare for them; their order is settled from then on.
 */
import { type Clock, createDeferred, type Deferred, Overloaded } from '@concave/base'
import { Patience } from '@concave/runtime'

type Slot = { readonly isExclusive: boolean; readonly startedAtMs: number; holdsLane: boolean }
type Waiting = {
  readonly client: string
  readonly start: Deferred<Slot>
  readonly isExclusive: boolean
  readonly prepare: Prepare
}

/** Prepares a call for its turn. False: it can't, and so neither can those after it. May be called again. */
type Prepare = () => boolean

export type FairLaneOptions = {
  readonly clock: Clock
  readonly patienceMs: number
  readonly maxParallel: number
  readonly maxWaiting: number
  /** How many of those that wait may prepare. */
  readonly maxUpcoming: number
}

export class FairLane {
  readonly #options: FairLaneOptions
  /** The next calls, in the order of their turns. */
  readonly #upcoming: Waiting[] = []
  /** Those that wait behind them, by client; the map's order is the round-robin order. */
  readonly #queues = new Map<string, Waiting[]>()
  readonly #running = new Set<Slot>()
  #waiting = 0
  readonly #patience: Patience
  #timer: NodeJS.Timeout | undefined

  constructor(options: FairLaneOptions) {
    this.#options = options
    this.#patience = new Patience({ minMs: options.patienceMs })
  }

  /** Runs `task` when its turn comes. Throws `TooManyConcurrentRequests` at once when the lane is full. */
  async run<T>(
    client: string,
    isExclusive: boolean,
    task: () => Promise<T>,
    prepare: Prepare = () => false,
  ): Promise<T> {
    const slot =
      this.#waiting === 0 && this.#canStart(isExclusive)
        ? this.#occupy(isExclusive)
        : await this.#enqueue({ client, isExclusive, prepare, start: createDeferred<Slot>() })
    try {
      return await task()
    } finally {
      this.#running.delete(slot)
      this.#patience.record(this.#options.clock.monotonicMs() - slot.startedAtMs)
      this.#startNext()
    }
  }

  #canStart(isExclusive: boolean): boolean {
    if (isExclusive) return this.#running.size === 0
    if (this.#running.size >= this.#options.maxParallel) return false
    for (const slot of this.#running) if (slot.isExclusive || slot.holdsLane) return false
    return true
  }

  #occupy(isExclusive: boolean): Slot {
    const slot: Slot = { isExclusive, startedAtMs: this.#options.clock.monotonicMs(), holdsLane: true }
    this.#running.add(slot)
    return slot
  }

  #enqueue(waiting: Waiting): Promise<Slot> {
    if (this.#waiting >= this.#options.maxWaiting) {
      throw new Overloaded(
        'TooManyConcurrentRequests',
        `Too many concurrent requests. ${this.#waiting} mutations are waiting already; try again in a moment.`,
        1000,
      )
    }
    const queue = this.#queues.get(waiting.client)
    if (queue === undefined) this.#queues.set(waiting.client, [waiting])
    else queue.push(waiting)
    this.#waiting += 1
    this.prepareUpcoming()
    this.#armPatience()
    return waiting.start.promise
  }

  /** Lets those whose turns come next prepare, in order. To be called when what keeps them from it may have changed. */
  prepareUpcoming(): void {
    while (this.#upcoming.length < this.#options.maxUpcoming) {
      const next = this.#takeNext()
      if (next === undefined) break
      this.#upcoming.push(next)
    }
    for (const { isExclusive, prepare } of this.#upcoming) if (isExclusive || !prepare()) return
  }

  /** The first of the client whose turn it is, which goes to the back of the round. */
  #takeNext(): Waiting | undefined {
    const [client, queue] = this.#queues.entries().next().value ?? []
    const next = queue?.shift()
    if (client === undefined || queue === undefined) return undefined
    this.#queues.delete(client)
    if (queue.length > 0) this.#queues.set(client, queue)
    return next
  }

  /** Starts the next waiting call if it may. */
  #startNext(): void {
    const next = this.#upcoming[0]
    if (next !== undefined && this.#canStart(next.isExclusive)) {
      this.#upcoming.shift()
      this.#waiting -= 1
      next.start.resolve(this.#occupy(next.isExclusive))
      this.prepareUpcoming()
    }
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#armPatience()
  }

  #armPatience(): void {
    if (this.#timer !== undefined || this.#waiting === 0 || this.#running.size === 0) return
    this.#timer = setTimeout(() => {
      for (const slot of this.#running) slot.holdsLane = false
      this.#startNext()
    }, this.#patience.ms)
  }
}
