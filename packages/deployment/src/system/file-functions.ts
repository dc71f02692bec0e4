/** What the dashboard's page of files calls: `_system/frontend/fileStorageV2` (sync-and-http.md §6.3). */
import type { Transaction } from '@concave/database'
import { isValueObject, parseValue, type Value } from '@concave/values'
import { z } from 'zod'
import type { FileStore } from '../files/file-store.ts'
import { auditLog } from '../records.ts'
import { define, object, pageLimits, paginationOpts, type SystemFunction } from './system-function.ts'

const module = '_system/frontend/fileStorageV2'

type NamedFunctions = readonly (readonly [name: string, run: SystemFunction])[]

const noArgs = z.looseObject({})
const fileArgs = z.looseObject({ storageId: z.string() })
const filesArgs = z.looseObject({ storageIds: z.array(z.string()) })
const pageArgs = z.looseObject({
  paginationOpts,
  filters: z
    .object({
      minCreationTime: z.number().nullish(),
      maxCreationTime: z.number().nullish(),
      order: z.enum(['asc', 'desc']).nullish(),
    })
    .nullish(),
})

export function fileQueries(files: FileStore): NamedFunctions {
  return [
    [`${module}:numFiles`, define(noArgs, async (tx) => await tx.count('_storage', { scope: 'system' }))],
    [`${module}:fileMetadata`, define(pageArgs, async (tx, args) => await pageOfFiles(tx, files, args))],
    [
      `${module}:getFile`,
      define(fileArgs, async (tx, { storageId }) => {
        const document = await tx.get(storageId, { scope: 'system', table: '_storage' })
        return document === null ? null : await withUrl(tx, files, document.text)
      }),
    ],
  ]
}

export function fileMutations(files: FileStore): NamedFunctions {
  return [
    [`${module}:deleteFile`, define(fileArgs, async (tx, { storageId }) => await deleteFiles(tx, files, [storageId]))],
    [
      `${module}:deleteFiles`,
      define(filesArgs, async (tx, { storageIds }) => await deleteFiles(tx, files, storageIds)),
    ],
    [`${module}:generateUploadUrl`, define(noArgs, async (tx) => await files.generateUploadUrl(tx.namespace))],
  ]
}

/** Newest first unless asked otherwise. */
async function pageOfFiles(tx: Transaction, files: FileStore, args: z.infer<typeof pageArgs>): Promise<Value> {
  const { paginationOpts: page, filters } = args
  const bounds = [
    { type: 'Gte', value: filters?.minCreationTime },
    { type: 'Lte', value: filters?.maxCreationTime },
  ]
  const source = {
    type: 'IndexRange',
    indexName: '_storage.by_creation_time',
    range: bounds
      .filter(({ value }) => typeof value === 'number')
      .map((bound) => ({ ...bound, fieldPath: '_creationTime' })),
    order: filters?.order ?? 'desc',
  }
  const result = await tx.paginate(
    { source, operators: [] },
    { cursor: page.cursor, endCursor: page.endCursor ?? null, numItems: page.numItems, journal: null, ...pageLimits },
    { scope: 'system' },
  )
  const documents: Value[] = []
  for (const text of result.page) documents.push(await withUrl(tx, files, text))
  const { isDone, continueCursor } = result
  return object({ page: documents, isDone, continueCursor })
}

async function withUrl(tx: Transaction, files: FileStore, text: string): Promise<Value> {
  const document = parseValue(text)
  if (!isValueObject(document)) return document
  return object({ ...document, url: await files.getUrl(tx, document['_id']) })
}

async function deleteFiles(tx: Transaction, files: FileStore, storageIds: readonly string[]): Promise<Value> {
  for (const storageId of storageIds) await files.delete(tx, storageId)
  await auditLog.insert(tx, { action: 'delete_files', member_id: null, metadata: JSON.stringify({ storageIds }) })
  return null
}
