/** Forgets scheduled functions some days after they finished (function-runtime.md §8.2). */
import type { Clock, Log } from '@concave/base'
import type { Database } from '@concave/database'
import { listNamespaces } from '../components/mounted.ts'
import type { Alarm } from './alarm.ts'
import { deleteFinishedJobs } from './job-batches.ts'
import { scheduledJobs, toTs } from './scheduled-jobs.ts'
import { schedulerLimits } from './scheduler-limits.ts'

export type JobCleanupDependencies = {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly alarm: Alarm
}

export class JobCleanup {
  readonly #deps: JobCleanupDependencies
  readonly #abort = new AbortController()
  #running: Promise<void>
  #cancelAlarm: () => void = () => {}

  static start(deps: JobCleanupDependencies): JobCleanup {
    return new JobCleanup(deps)
  }

  private constructor(deps: JobCleanupDependencies) {
    this.#deps = deps
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    this.#cancelAlarm()
    await this.#running
  }

  async #run(): Promise<void> {
    const { database, clock, log, alarm } = this.#deps
    const { signal } = this.#abort
    try {
      const beforeTs = toTs(clock.nowMs() - schedulerLimits.finishedRetentionMs)
      for (const namespace of listNamespaces(database.catalog, scheduledJobs.name)) {
        await deleteFinishedJobs(database, namespace, beforeTs, signal)
      }
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error }, 'Old scheduled functions could not be deleted; it is tried again.')
    }
    if (signal.aborted) return
    this.#cancelAlarm = alarm(schedulerLimits.cleanupIntervalMs, () => {
      this.#running = this.#run()
    })
  }
}
