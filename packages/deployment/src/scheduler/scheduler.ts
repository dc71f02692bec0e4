/** The scheduled functions and cron jobs of one deployment. Everything it knows is in rows: a reopened one simply goes on. */
import type { Clock, Log } from '@concave/base'
import type { Database } from '@concave/database'
import type { CodeRegistry } from '../functions/code-registry.ts'
import { type Alarm, systemAlarm } from './alarm.ts'
import { CronRunner } from './cron-runner.ts'
import { type DueTable, readFirstDue } from './due-rows.ts'
import { DueWorker } from './due-worker.ts'
import { JobCleanup } from './job-cleanup.ts'
import { JobRunner, type ScheduledFunctions } from './job-runner.ts'
import { toMs } from './scheduled-jobs.ts'

export type SchedulerDependencies = {
  readonly database: Database
  readonly functions: ScheduledFunctions
  readonly registry: Pick<CodeRegistry, 'load'>
  readonly clock: Clock
  readonly log: Log
  readonly alarm?: Alarm
}

const tables: readonly DueTable[] = ['_scheduled_jobs', '_cron_next_run']

export class Scheduler {
  readonly #database: Database
  readonly #workers: readonly DueWorker[]
  readonly #cleanup: JobCleanup

  static start(deps: SchedulerDependencies): Scheduler {
    return new Scheduler(deps)
  }

  private constructor(deps: SchedulerDependencies) {
    const log = deps.log.child({ room: 'deployment:scheduler' })
    const shared = { ...deps, log, alarm: deps.alarm ?? systemAlarm }
    const jobs = new JobRunner(shared)
    this.#database = deps.database
    this.#cleanup = JobCleanup.start(shared)
    const crons = new CronRunner(shared)
    this.#workers = [
      DueWorker.start({ ...shared, table: '_scheduled_jobs', run: (id) => jobs.run(id) }),
      DueWorker.start({ ...shared, table: '_cron_next_run', run: (id) => crons.run(id) }),
    ]
  }

  /** False while nothing is due and nothing runs. */
  get isBusy(): boolean {
    return this.#workers.some((worker) => worker.isBusy)
  }

  /** Starts nothing any more. */
  async stop(): Promise<void> {
    await Promise.all([this.#cleanup.stop(), ...this.#workers.map((worker) => worker.stop())])
  }

  /** Resolves when nothing runs any more. To be called after `stop`. */
  async drained(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.drained()))
  }

  /** When the first thing is due, past times included; undefined if there is nothing. */
  async readNextDueMs(): Promise<number | undefined> {
    const times = await Promise.all(tables.map((table) => readFirstDue(this.#database, table)))
    const known = times.filter((ts) => ts !== undefined)
    return known.length === 0 ? undefined : Math.min(...known.map(toMs))
  }
}
