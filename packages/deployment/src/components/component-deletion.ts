/** Deletes unmounted components for good (sync-and-http.md §5.5). */
import { BadRequest } from '@concave/base'
import { Collection, type Database, type StoredRecord, type Transaction } from '@concave/database'
import { type FileRow, insertUnowned } from '../files/file-rows.ts'
import { deploymentLimits } from '../limits.ts'
import { auditLog, type ComponentRow, components } from '../records.ts'
import { deleteComponentRow } from './component-rows.ts'

const files = new Collection<FileRow>('_file_storage')

/**
 * Deletes a component with all that is mounted below it. Files go first, in transactions of their own, so that their
 * contents are freed; interrupted, it is simply asked for again.
 */
export async function deleteComponent(database: Database, id: string): Promise<void> {
  for (;;) {
    const { value: isDone } = await database.mutate('system:deleteComponent', async (tx) => {
      const doomed = await listSubtree(tx, id)
      for (const component of doomed) {
        if ((await tx.within(component._id, () => deleteFiles(tx))) > 0) return false
      }
      for (const { _id } of doomed) await deleteComponentRow(tx, _id)
      await auditLog.insert(tx, { action: 'delete_component', member_id: null, metadata: JSON.stringify({ id }) })
      return true
    })
    if (isDone) return
  }
}

/** Number of files that were deleted: a batch at most. */
async function deleteFiles(tx: Transaction): Promise<number> {
  const batch = await files.list(tx, { limit: deploymentLimits.deletedFilesPerBatch })
  for (const { _id, storageKey } of batch) {
    await files.delete(tx, _id)
    await insertUnowned(tx, storageKey)
  }
  return batch.length
}

async function listSubtree(tx: Transaction, id: string): Promise<readonly StoredRecord<ComponentRow>[]> {
  const rows = await components.list(tx)
  const root = rows.find(({ _id }) => _id === id)
  if (root === undefined) throw new BadRequest('ComponentNotFound', `There is no component with the id ${id}.`)
  if (root.state !== 'unmounted') {
    throw new BadRequest(
      'ComponentMustBeUnmounted',
      `The component ${root.name} is mounted. Remove it from convex.config.ts and push, then delete it.`,
    )
  }
  const collect = (component: StoredRecord<ComponentRow>): readonly StoredRecord<ComponentRow>[] => [
    ...rows.filter(({ parent }) => parent === component._id).flatMap(collect),
    component,
  ]
  return collect(root)
}
