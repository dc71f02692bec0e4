/** Syscalls behind `ctx.storage` of actions (function-runtime.md §2.7). Each is a transaction of its own. */
import { buffer } from 'node:stream/consumers'
import { BadRequest } from '@concave/base'
import type { Transaction } from '@concave/database'
import { requireMounted } from '../components/mounted.ts'
import { fileLimits } from './file-limits.ts'
import type { FileStore } from './file-store.ts'
import { readContentOptions } from './storage-syscalls.ts'

/** `component`: whose files they are. */
type Host = { readonly files: FileStore; readonly component: { readonly id: string } }
type Args = Readonly<Record<string, unknown>>

/** JSON text, with bytes where there are some. */
type Answer = { readonly text: string; readonly body?: Uint8Array }

/** `body`: the content that comes with `storage/storeBlob`. */
type ActionSyscall = (host: Host, args: Args, body: Uint8Array) => Promise<Answer>

export const actionStorageSyscalls: Readonly<Record<string, ActionSyscall>> = {
  '1.0/storageGetUrl': async ({ files, component }, { storageId }) =>
    json((await files.database.read((tx) => files.getUrl(tx, storageId), { namespace: component.id })).value),
  '1.0/storageGetMetadata': async ({ files, component }, { storageId }) =>
    json((await files.database.read((tx) => files.getMetadata(tx, storageId), { namespace: component.id })).value),
  '1.0/storageGenerateUploadUrl': async ({ files, component }) => json(await files.generateUploadUrl(component.id)),
  '1.0/storageDelete': async ({ files, component }, { storageId }) => {
    const remove = async (tx: Transaction): Promise<void> => {
      await requireMounted(tx)
      await files.delete(tx, storageId)
    }
    await files.database.mutate('storage:delete', remove, { namespace: component.id })
    return json(null)
  },
  'storage/storeBlob': async ({ files, component }, { contentType, options }, body) => {
    const { sha256 } = (options ?? {}) as { readonly sha256?: unknown }
    return json(await files.store(component.id, [body], readContentOptions({ contentType, sha256 })))
  },
  'storage/getBlob': async ({ files, component }, { storageId }) => {
    const file = await files.open(component.id, storageId)
    if (file === null) return json(null)
    const { content, contentType, sizeBytes } = file
    if (sizeBytes > fileLimits.maxActionBlobBytes) {
      content.destroy()
      throw new BadRequest(
        'FileTooLarge',
        `The file has ${sizeBytes} bytes, and storage.get() reads up to ${fileLimits.maxActionBlobBytes}. ` +
          'Fetch parts of it from storage.getUrl() instead.',
      )
    }
    return { ...json({ contentType }), body: await buffer(content) }
  },
}

function json(value: unknown): Answer {
  return { text: JSON.stringify(value) }
}
