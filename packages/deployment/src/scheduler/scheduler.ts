/** The scheduled functions and cron jobs of one deployment. Everything it knows is in rows: a reopened one simply goes on. */
import type { Clock, Log } from '@concave/base'
import type { Database } from '@concave/database'
import { listMountedNamespaces } from '../components/mounted.ts'
import type { CodeRegistry } from '../functions/code-registry.ts'
import { type Alarm, systemAlarm } from './alarm.ts'
import { ComponentWorkers } from './component-workers.ts'
import { CronRunner } from './cron-runner.ts'
import { type DueQueue, type DueTable, readFirstDue } from './due-rows.ts'
import { DueWorker } from './due-worker.ts'
import { JobCleanup } from './job-cleanup.ts'
import { JobRunner, type ScheduledFunctions } from './job-runner.ts'
import { RunSlots } from './run-slots.ts'
import { schedulerLimits } from './scheduler-limits.ts'
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
  readonly #workers: ComponentWorkers
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
    const jobSlots = new RunSlots(schedulerLimits.maxRunning)
    const cronSlots = new RunSlots(schedulerLimits.maxRunning)
    const start = (queue: DueQueue, slots: RunSlots, runner: JobRunner | CronRunner): DueWorker =>
      DueWorker.start({ ...shared, queue, slots, run: (id) => runner.run(queue.namespace, id) })
    this.#workers = ComponentWorkers.start({
      ...shared,
      open: (namespace) => [
        start({ table: '_scheduled_jobs', namespace }, jobSlots, jobs),
        start({ table: '_cron_next_run', namespace }, cronSlots, crons),
      ],
    })
  }

  /** False while nothing is due and nothing runs. */
  get isBusy(): boolean {
    return this.#workers.isBusy
  }

  /** Starts nothing any more. */
  async stop(): Promise<void> {
    await Promise.all([this.#cleanup.stop(), this.#workers.stop()])
  }

  /** Resolves when nothing runs any more. To be called after `stop`. */
  async drained(): Promise<void> {
    await this.#workers.drained()
  }

  /** When the first thing is due, past times included; undefined if there is nothing. */
  async readNextDueMs(): Promise<number | undefined> {
    const { value: mounted } = await this.#database.read(listMountedNamespaces)
    const queues = mounted.flatMap((namespace) => tables.map((table) => ({ table, namespace })))
    const times = await Promise.all(queues.map((queue) => readFirstDue(this.#database, queue)))
    const known = times.filter((ts) => ts !== undefined)
    return known.length === 0 ? undefined : Math.min(...known.map(toMs))
  }
}
