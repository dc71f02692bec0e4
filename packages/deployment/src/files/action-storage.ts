/** Syscalls behind `ctx.storage` of actions (function-runtime.md §2.7). Each is a transaction of its own. */
import { buffer } from 'node:stream/consumers'
import { BadRequest } from '@concave/base'
import { fileLimits } from './file-limits.ts'
import type { FileStore } from './file-store.ts'
import { readContentOptions } from './storage-syscalls.ts'

type Host = { readonly files: FileStore }
type Args = Readonly<Record<string, unknown>>

/** JSON text, with bytes where there are some. */
type Answer = { readonly text: string; readonly body?: Uint8Array }

/** `body`: the content that comes with `storage/storeBlob`. */
type ActionSyscall = (host: Host, args: Args, body: Uint8Array) => Promise<Answer>

export const actionStorageSyscalls: Readonly<Record<string, ActionSyscall>> = {
  '1.0/storageGetUrl': async ({ files }, { storageId }) =>
    json((await files.database.read((tx) => files.getUrl(tx, storageId))).value),
  '1.0/storageGetMetadata': async ({ files }, { storageId }) =>
    json((await files.database.read((tx) => files.getMetadata(tx, storageId))).value),
  '1.0/storageGenerateUploadUrl': async ({ files }) => json(await files.generateUploadUrl()),
  '1.0/storageDelete': async ({ files }, { storageId }) => {
    await files.database.mutate('storage:delete', (tx) => files.delete(tx, storageId))
    return json(null)
  },
  'storage/storeBlob': async ({ files }, { contentType, options }, body) => {
    const { sha256 } = (options ?? {}) as { readonly sha256?: unknown }
    return json(await files.store([body], readContentOptions({ contentType, sha256 })))
  },
  'storage/getBlob': async ({ files }, { storageId }) => {
    const file = await files.open(storageId)
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
