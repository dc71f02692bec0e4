/**
 * Admission of mutations: one after another, fair between clients, each on the newest applied commit. A call that holds
 * the lane for longer than `patienceMs` while others wait lets the next one start beside it; read set validation at
 * commit then decides. An exclusive call waits until it is alone and lets nobody start beside it.
 */
import { createDeferred, type Deferred, Overloaded } from '@concave/base'

type Slot = { readonly isExclusive: boolean; holdsLane: boolean }
type Waiting = { readonly start: Deferred<Slot>; readonly isExclusive: boolean }

export type FairLaneOptions = {
  readonly patienceMs: number
  readonly maxParallel: number
  readonly maxWaiting: number
}

export class FairLane {
  readonly #options: FairLaneOptions
  /** Waiting calls by client; the map's order is the round-robin order. */
  readonly #queues = new Map<string, Waiting[]>()
  readonly #running = new Set<Slot>()
  #waiting = 0
  #patience: NodeJS.Timeout | undefined

  constructor(options: FairLaneOptions) {
    this.#options = options
  }

  /** Runs `task` when its turn comes. Throws `TooManyConcurrentRequests` at once when the lane is full. */
  async run<T>(client: string, isExclusive: boolean, task: () => Promise<T>): Promise<T> {
    const slot =
      this.#waiting === 0 && this.#canStart(isExclusive)
        ? this.#occupy(isExclusive)
        : await this.#enqueue(client, isExclusive)
    try {
      return await task()
    } finally {
      this.#running.delete(slot)
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
    const slot: Slot = { isExclusive, holdsLane: true }
    this.#running.add(slot)
    return slot
  }

  #enqueue(client: string, isExclusive: boolean): Promise<Slot> {
    if (this.#waiting >= this.#options.maxWaiting) {
      throw new Overloaded(
        'TooManyConcurrentRequests',
        `Too many concurrent requests. ${this.#waiting} mutations are waiting already; try again in a moment.`,
        1000,
      )
    }
    const waiting: Waiting = { start: createDeferred<Slot>(), isExclusive }
    const queue = this.#queues.get(client)
    if (queue === undefined) this.#queues.set(client, [waiting])
    else queue.push(waiting)
    this.#waiting += 1
    this.#armPatience()
    return waiting.start.promise
  }

  /** Starts the next waiting call if it may; its client goes to the back of the round. */
  #startNext(): void {
    const [client, queue] = this.#queues.entries().next().value ?? []
    const next = queue?.[0]
    if (client !== undefined && queue !== undefined && next !== undefined && this.#canStart(next.isExclusive)) {
      queue.shift()
      this.#queues.delete(client)
      if (queue.length > 0) this.#queues.set(client, queue)
      this.#waiting -= 1
      next.start.resolve(this.#occupy(next.isExclusive))
    }
    clearTimeout(this.#patience)
    this.#patience = undefined
    this.#armPatience()
  }

  #armPatience(): void {
    if (this.#patience !== undefined || this.#waiting === 0 || this.#running.size === 0) return
    this.#patience = setTimeout(() => {
      for (const slot of this.#running) slot.holdsLane = false
      this.#startNext()
    }, this.#options.patienceMs)
  }
}
