/**
 * The workers of every mounted component's queues: one that is mounted later gets its own, and those of an unmounted one
 * pause, with what they run going on, until it is mounted again.
 */
import { createDeferred, type Deferred, type Log } from '@concave/base'
import type { Database } from '@concave/database'
import { listMountedNamespaces } from '../components/mounted.ts'
import type { Alarm } from './alarm.ts'
import type { DueWorker } from './due-worker.ts'
import { schedulerLimits } from './scheduler-limits.ts'

export type ComponentWorkersDependencies = {
  readonly database: Database
  readonly log: Log
  readonly alarm: Alarm
  readonly open: (namespace: string) => readonly DueWorker[]
}

export class ComponentWorkers {
  readonly #deps: ComponentWorkersDependencies
  readonly #workers = new Map<string, readonly DueWorker[]>()
  readonly #done: Promise<void>
  #bell: Deferred<void> = createDeferred()
  #isStopped = false
  #isAsleep = false

  static start(deps: ComponentWorkersDependencies): ComponentWorkers {
    return new ComponentWorkers(deps)
  }

  private constructor(deps: ComponentWorkersDependencies) {
    this.#deps = deps
    this.#done = this.#work()
  }

  /** False while nothing is due and nothing runs. */
  get isBusy(): boolean {
    return !this.#isAsleep || this.#all.some((worker) => worker.isBusy)
  }

  /** Starts nothing any more. What runs goes on; see `drained`. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#bell.resolve()
    await this.#done
    await Promise.all(this.#all.map((worker) => worker.stop()))
  }

  /** Resolves when nothing runs any more. To be called after `stop`. */
  async drained(): Promise<void> {
    await Promise.all(this.#all.map((worker) => worker.drained()))
  }

  get #all(): readonly DueWorker[] {
    return [...this.#workers.values()].flat()
  }

  async #work(): Promise<void> {
    while (!this.#isStopped) {
      this.#bell = createDeferred()
      try {
        await this.#workOnce()
      } catch (error) {
        if (!this.#isStopped) await this.#wait(error)
      }
    }
  }

  async #workOnce(): Promise<void> {
    const { database } = this.#deps
    const { value: mounted, ts, reads } = await database.read(listMountedNamespaces)
    if (this.#isStopped) return
    this.#follow(mounted)
    const subscription = database.subscribe(reads, ts, () => this.#bell.resolve())
    this.#isAsleep = true
    await this.#bell.promise
    this.#isAsleep = false
    subscription.close()
  }

  #follow(mounted: readonly string[]): void {
    const wanted = new Set(mounted)
    for (const [namespace, workers] of this.#workers) {
      for (const worker of workers) {
        if (wanted.has(namespace)) worker.resume()
        else worker.pause()
      }
    }
    for (const namespace of wanted) {
      if (!this.#workers.has(namespace)) this.#workers.set(namespace, this.#deps.open(namespace))
    }
  }

  async #wait(error: unknown): Promise<void> {
    const { alarm, log } = this.#deps
    log.warn({ err: error }, 'The components could not be listed; it is tried again.')
    const bell = this.#bell
    const cancel = alarm(schedulerLimits.minFailureBackoffMs, () => bell.resolve())
    await bell.promise
    cancel()
  }
}
