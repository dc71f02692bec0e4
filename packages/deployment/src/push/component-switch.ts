/** What a finished push changes in each namespace: the app's and every component's schema, indexes and cron jobs. */
import { randomInt } from 'node:crypto'
import { finishSchemaPush, type FinishedSchemaPush, type Transaction } from '@concave/database'
import { type ComponentChange, type ComponentIds, mountComponents } from '../components/component-rows.ts'
import { listComponents } from '../components/component-tree.ts'
import { type CronDiff, replaceCronJobs } from '../scheduler/cron-jobs.ts'
import type { EvaluatedPush } from './push-evaluation.ts'
import { pushError } from './push-request.ts'

export type ComponentSwitch = FinishedSchemaPush & {
  readonly diffType: ComponentChange['type']
  /** Undefined of one that was unmounted: its data stays, its code is gone. */
  readonly definitionPath: string | undefined
  readonly cronDiff: CronDiff
}

/** By component path. */
export async function switchComponents(
  tx: Transaction,
  push: Pick<EvaluatedPush, 'definitions' | 'tree'>,
  started: { readonly ids: ComponentIds; readonly schemaIds: Readonly<Record<string, string | null>> },
  nowMs: number,
): Promise<ReadonlyMap<string, ComponentSwitch>> {
  const changes = await mountComponents(tx, push.tree, started.ids)
  if (changes === undefined) {
    throw pushError('RaceDetected', 'A component of this push has been deleted since it was started. Push again.')
  }
  const definitionPaths = new Map(listComponents(push.tree).map(({ path, definitionPath }) => [path, definitionPath]))
  const options = { nowMs, newSplaySeconds: () => randomInt(3600) }
  const app: ComponentChange = { path: '', id: '', type: 'modify' }
  const switched = new Map<string, ComponentSwitch>()
  for (const { path, id, type } of [app, ...changes]) {
    const definitionPath = path === '' ? '' : definitionPaths.get(path)
    switched.set(
      path,
      await tx.within(id, async () => {
        if (type === 'unmount')
          return {
            ...unchanged,
            diffType: type,
            definitionPath: undefined,
            cronDiff: await replaceCronJobs(tx, [], options),
          }
        const crons = push.definitions.get(definitionPath ?? '')?.crons ?? []
        const finished = await finishSchemaPush(tx, started.schemaIds[path] ?? null)
        return { ...finished, diffType: type, definitionPath, cronDiff: await replaceCronJobs(tx, crons, options) }
      }),
    )
  }
  return switched
}

const unchanged: FinishedSchemaPush = {
  indexDiff: { added_indexes: [], removed_indexes: [], enabled_indexes: [], disabled_indexes: [] },
  schemaDiff: null,
}
