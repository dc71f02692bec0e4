/**
 * Records of stored files, and of blobs that no file has: those that arrive, and those whose file was deleted. A blob is
 * announced durably before it is written and freed only from here, so no crash leaves one behind that nobody knows of.
 */
import { BadRequest } from '@concave/base'
import { Collection, type StoredRecord, type SystemTable, type Transaction } from '@concave/database'
import { commitTs, createValueObject, decodeDocumentId, encodeValue, parseValue, ValueError } from '@concave/values'
import { listNamespaces } from '../components/mounted.ts'

export type FileRow = {
  /** UUID in the file's URL: who knows it may download the file. */
  readonly storageId: string
  /** Of the blob. */
  readonly storageKey: string
  /** Base64. */
  readonly sha256: string
  readonly size: number
  readonly contentType?: string
}

export type StoredFile = StoredRecord<FileRow>

const files = new Collection<FileRow>('_file_storage')

const unownedTable = '_unowned_blobs'
type UnownedBlob = { readonly storageKey: string; readonly ts: bigint }
export type StoredUnownedBlob = StoredRecord<UnownedBlob>
const unownedBlobs = new Collection<UnownedBlob>(unownedTable)

/** Tables beside those of the database. A number is part of every id of its table: never change or reuse one. */
export const fileTables: readonly SystemTable[] = [
  {
    name: unownedTable,
    number: 700,
    indexes: [
      { name: 'by_ts', fields: ['ts'] },
      { name: 'by_storage_key', fields: ['storageKey'] },
    ],
  },
]

export async function insertFile(tx: Transaction, row: FileRow): Promise<string> {
  return await files.insert(tx, row)
}

export async function findFileByUuid(tx: Transaction, uuid: string): Promise<StoredFile | null> {
  return await files.first(tx, 'by_storage_id', [uuid])
}

/** Namespaces of the app and of components, mounted or not, that have files. */
export async function listOwners(tx: Transaction): Promise<readonly string[]> {
  const owners: string[] = []
  for (const namespace of listNamespaces(tx.catalog, files.name)) {
    const count = await tx.within(namespace, () => tx.count(files.name, { scope: 'private' }))
    if (count > 0) owners.push(namespace)
  }
  return owners
}

/** Whether a file in one of the namespaces has the blob. */
export async function isOwned(tx: Transaction, storageKey: string, owners: readonly string[]): Promise<boolean> {
  for (const namespace of owners) {
    const file = await tx.within(namespace, () => files.first(tx, 'by_storage_key', [storageKey]))
    if (file !== null) return true
  }
  return false
}

/** Whether there are files of a component; an id that comes from outside may be anything. */
export function hasFiles(tx: Transaction): boolean {
  return tx.catalog.findTable(tx.namespace, files.name) !== undefined
}

export function isUuid(text: string): boolean {
  return /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/.test(text)
}

/**
 * The file that user code names: by an id of `_storage`, or by the UUID that older versions gave out. `method` is for
 * the developer's error.
 */
export async function findFile(tx: Transaction, storageId: unknown, method: string): Promise<StoredFile | null> {
  if (typeof storageId !== 'string') throw invalidStorageId(method, 'it must be a string')
  const uuid = storageId.toLowerCase()
  if (isUuid(uuid)) return await findFileByUuid(tx, uuid)
  if (decodeId(storageId, method).tableNumber !== tx.findTable('_file_storage')?.number) {
    throw new BadRequest(
      'InvalidArgument',
      "Invalid storage ID. Storage ID cannot be an ID on any table other than '_storage'.",
    )
  }
  return await files.get(tx, storageId)
}

export async function deleteFile(tx: Transaction, file: StoredFile): Promise<void> {
  await files.delete(tx, file._id)
}

/** Records that a blob has no file as of this commit. Returns the record's id. */
export async function insertUnowned(tx: Transaction, storageKey: string): Promise<string> {
  const row = Object.assign(createValueObject(), { storageKey, ts: commitTs })
  return await tx.insert(unownedTable, row, { scope: 'private' })
}

export async function deleteUnowned(tx: Transaction, id: string): Promise<void> {
  await unownedBlobs.delete(tx, id)
}

/** Those recorded at or before `until`, oldest first. */
export async function listUnowned(
  tx: Transaction,
  until: bigint,
  limit: number,
): Promise<readonly StoredUnownedBlob[]> {
  const range = [{ type: 'Lte', fieldPath: 'ts', value: encodeValue(until) }]
  const source = { type: 'IndexRange', indexName: `${unownedTable}.by_ts`, range, order: 'asc' }
  const cursor = tx.openCursor({ source, operators: [{ limit }] }, { scope: 'private' })
  const rows: StoredUnownedBlob[] = []
  for (let isDone = false; !isDone;) {
    const page = await cursor.nextPage(limit)
    for (const text of page.rows) rows.push(parseValue(text) as unknown as StoredUnownedBlob)
    isDone = page.done
  }
  cursor.close()
  return rows
}

/** When the blob became unowned for the last time; undefined if that is not recorded (any more). */
export async function findUnownedSince(tx: Transaction, storageKey: string): Promise<bigint | undefined> {
  const rows = await unownedBlobs.byIndex(tx, 'by_storage_key', [storageKey])
  return rows.reduce<bigint | undefined>((last, { ts }) => (last === undefined || ts > last ? ts : last), undefined)
}

function decodeId(storageId: string, method: string): ReturnType<typeof decodeDocumentId> {
  try {
    return decodeDocumentId(storageId)
  } catch (error) {
    if (error instanceof ValueError) throw invalidStorageId(method, error.message)
    throw error
  }
}

function invalidStorageId(method: string, reason: string): BadRequest {
  return new BadRequest('InvalidArgument', `Invalid argument \`storageId\` for \`${method}\`: ${reason}`)
}
