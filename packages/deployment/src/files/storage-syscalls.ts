/** Syscalls behind `ctx.storage` of queries and mutations (function-runtime.md §2.7). */
import { BadRequest } from '@concave/base'
import type { Transaction } from '@concave/database'
import type { ContentOptions, FileStore } from './file-store.ts'

type Host = {
  readonly tx: Transaction
  readonly files: FileStore
  requireMutation(op: string): void
}

type StorageSyscall = (host: Host, args: Readonly<Record<string, unknown>>) => Promise<string>

export const storageSyscalls: Readonly<Record<string, StorageSyscall>> = {
  '1.0/storageGetUrl': async ({ files, tx }, { storageId }) => JSON.stringify(await files.getUrl(tx, storageId)),
  '1.0/storageGetMetadata': async ({ files, tx }, { storageId }) =>
    JSON.stringify(await files.getMetadata(tx, storageId)),
  '1.0/storageGenerateUploadUrl': async (host) => {
    host.requireMutation('storage.generateUploadUrl')
    return JSON.stringify(await host.files.generateUploadUrl(host.tx.namespace))
  },
  '1.0/storageDelete': async (host, { storageId }) => {
    host.requireMutation('storage.delete')
    await host.files.delete(host.tx, storageId)
    return 'null'
  },
  '1.0/storageStore': async (host, { blob, contentType, sha256 }) => {
    host.requireMutation('storage.store')
    if (typeof blob !== 'string') throw invalidArgument('blob')
    const options = readContentOptions({ contentType, sha256 })
    return JSON.stringify(await host.files.stage(host.tx, Buffer.from(blob, 'base64'), options))
  },
  '1.0/storageGet': async (host, { storageId }) => {
    host.requireMutation('storage.get')
    const file = await host.files.readWhole(host.tx, storageId)
    if (file === null) return 'null'
    const { content, contentType } = file
    return JSON.stringify({ blob: Buffer.from(content).toString('base64'), contentType })
  },
}

/** What comes with a content that user code stores. */
export function readContentOptions(options: {
  readonly contentType: unknown
  readonly sha256: unknown
}): ContentOptions {
  return {
    contentType: optionalText(options.contentType, 'contentType'),
    sha256: optionalText(options.sha256, 'sha256'),
  }
}

function optionalText(value: unknown, name: string): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  throw invalidArgument(name)
}

function invalidArgument(name: string): BadRequest {
  return new BadRequest('InvalidArgument', `Invalid argument \`${name}\` for \`storage.store\`: it must be a string`)
}
