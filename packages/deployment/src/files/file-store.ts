import { createHash, randomUUID, webcrypto } from 'node:crypto'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { assert, BadRequest, type Clock, Overloaded, type Random } from '@concave/base'
import type { Blobs, ByteRange, Content } from '@concave/blobs'
import type { Database, Transaction } from '@concave/database'
import { requireMounted } from '../components/mounted.ts'
import { checkContentType, hexOfSha256, parseSha256 } from './content-headers.ts'
import { fileLimits } from './file-limits.ts'
import {
  deleteFile,
  deleteUnowned,
  type FileRow,
  findFile,
  findFileByUuid,
  hasFiles,
  insertFile,
  insertUnowned,
  type StoredFile,
} from './file-rows.ts'
import { UploadTokens } from './upload-tokens.ts'

const { subtle } = webcrypto

export type ContentOptions = {
  readonly contentType?: string | null | undefined
  /** What the sender says that the content's SHA-256 is, in base64 or hex. */
  readonly sha256?: string | undefined
}

/** Read the stream to its end or destroy it. */
export type OpenFile = {
  readonly content: Readable
  readonly contentType: string | null
  readonly sizeBytes: number
}

/** As `ctx.storage.getMetadata` gives it. */
export type FileMetadata = {
  readonly storageId: string
  /** Hex. */
  readonly sha256: string
  readonly size: number
  readonly contentType: string | null
}

/**
 * What a mutation has stored and nobody else can see yet, by document id. Contents wait in memory, within the
 * transaction's budget, and are written when it is about to commit: an attempt that is given up leaves nothing.
 */
type StagedFiles = Map<string, StagedFile>
/** `namespace`: of the component that has stored it. */
type StagedFile = { readonly namespace: string; readonly row: FileRow; readonly content: Uint8Array }

/**
 * The files of one deployment: rows in the database, contents in blobs. Every component has files of its own, which are
 * those of a transaction's namespace. A file's content is durable before its row commits. Storage ids are what user code passes: ids of `_storage`, or UUIDs in the older form.
 */
export class FileStore {
  /** Where the rows are. */
  readonly database: Database
  readonly #blobs: Blobs
  readonly #tokens: UploadTokens
  readonly #url: string
  /** Keys of blobs whose file may yet commit: not to be collected. */
  readonly #arriving = new Set<string>()
  readonly #staged = new WeakMap<Transaction, StagedFiles>()
  #isClosed = false

  constructor(deps: {
    readonly database: Database
    readonly blobs: Blobs
    readonly clock: Clock
    readonly random: Random
    /** Origin of the API, without a trailing slash. */
    readonly url: string
  }) {
    this.database = deps.database
    this.#blobs = deps.blobs
    this.#url = deps.url
    this.#tokens = new UploadTokens({ meta: deps.database.storage.meta, random: deps.random, clock: deps.clock })
  }

  /** Ends what is being stored. Its senders hear of it at their next chunk. */
  close(): void {
    this.#isClosed = true
  }

  isArriving(storageKey: string): boolean {
    return this.#arriving.has(storageKey)
  }

  // For every kind of function

  async getUrl(tx: Transaction, storageId: unknown): Promise<string | null> {
    const file = await findFile(tx, storageId, 'storage.getUrl')
    return file && this.#urlOf(file, tx.namespace)
  }

  async getMetadata(tx: Transaction, storageId: unknown): Promise<FileMetadata | null> {
    const file = await findFile(tx, storageId, 'storage.getMetadata')
    if (file === null) return null
    const { size, sha256, contentType = null } = file
    return { storageId: file.storageId, sha256: hexOfSha256(sha256), size, contentType }
  }

  /** Throws `StorageIdNotFound`. The content stays until no snapshot sees the file any more. */
  async delete(tx: Transaction, storageId: unknown): Promise<void> {
    const file = await findFile(tx, storageId, 'storage.delete')
    if (file === null) throw new BadRequest('StorageIdNotFound', `storage id ${String(storageId)} not found`)
    await deleteFile(tx, file)
    await insertUnowned(tx, file.storageKey)
  }

  /** Valid for an hour. Nothing is stored. */
  async generateUploadUrl(namespace: string): Promise<string> {
    return `${this.#url}/api/storage/upload?token=${await this.#tokens.issue(namespace)}`
  }

  // For actions and requests: transactions of their own

  /** Stores `content` and returns the new file's id. Nothing is stored if `content` throws or is not as promised. */
  async store(namespace: string, content: Content, options: ContentOptions = {}): Promise<string> {
    const contentType = checkContentType(options.contentType)
    const expected = options.sha256 === undefined ? undefined : parseSha256(options.sha256)
    const storageKey = randomUUID()
    return await this.#whileArriving([storageKey], async () => {
      const announce = async (tx: Transaction): Promise<string> => {
        await requireMounted(tx)
        return await insertUnowned(tx, storageKey)
      }
      const { value: unownedId } = await this.database.mutate('storage:upload', announce, { namespace })
      const { size, sha256 } = await this.#write(storageKey, content, expected)
      const row = newFile({ storageKey, sha256, size, contentType })
      const finish = async (tx: Transaction): Promise<string> => {
        await requireMounted(tx)
        await deleteUnowned(tx, unownedId)
        return await insertFile(tx, row)
      }
      return (await this.database.mutate('storage:upload', finish, { namespace })).value
    })
  }

  /** The file and its content as of the newest commit. */
  async open(namespace: string, storageId: unknown): Promise<OpenFile | null> {
    const { value: file } = await this.database.read((tx) => findFile(tx, storageId, 'storage.get'), { namespace })
    if (file === null) return null
    return { content: await this.read(file), contentType: file.contentType ?? null, sizeBytes: file.size }
  }

  /** `namespace` may be any text: nobody has files there, then. */
  async findByUuid(namespace: string, uuid: string): Promise<StoredFile | null> {
    const find = async (tx: Transaction): Promise<StoredFile | null> =>
      hasFiles(tx) ? await findFileByUuid(tx, uuid) : null
    return (await this.database.read(find, { namespace })).value
  }

  /** The content of a file that some snapshot of the last minutes has shown. */
  async read(file: StoredFile, range?: ByteRange): Promise<Readable> {
    const content = await this.#blobs.read(file.storageKey, range)
    assert(content !== undefined, `the content of file ${file._id} is missing`)
    return content
  }

  /** The namespace that an upload is for. Throws 401 unless `token` is one of our upload URLs'. */
  async checkUploadToken(token: string | null): Promise<string> {
    return await this.#tokens.check(token)
  }

  // For mutations: parts of their transaction

  /** The file exists for this transaction at once, and for others once `persist` was called and it has committed. */
  async stage(tx: Transaction, content: Uint8Array<ArrayBuffer>, options: ContentOptions): Promise<string> {
    const contentType = checkContentType(options.contentType)
    tx.countFileWritten(content.length)
    // Megabytes, hashed beside the serving thread.
    const sha256 = Buffer.from(await subtle.digest('SHA-256', content)).toString('base64')
    if (options.sha256 !== undefined) checkDigest(parseSha256(options.sha256), sha256)
    const row = newFile({ storageKey: randomUUID(), sha256, size: content.length, contentType })
    const id = await insertFile(tx, row)
    let staged = this.#staged.get(tx)
    if (staged === undefined) {
      staged = new Map()
      this.#staged.set(tx, staged)
    }
    staged.set(id, { namespace: tx.namespace, row, content })
    return id
  }

  /** The whole content, as the transaction sees it. */
  async readWhole(
    tx: Transaction,
    storageId: unknown,
  ): Promise<{ readonly content: Uint8Array; readonly contentType: string | null } | null> {
    const file = await findFile(tx, storageId, 'storage.get')
    if (file === null) return null
    tx.countFileRead(file.size)
    const content = this.#staged.get(tx)?.get(file._id)?.content ?? (await buffer(await this.read(file)))
    return { content, contentType: file.contentType ?? null }
  }

  /**
   * Writes the contents of what the transaction has staged, durably. Its commit must follow at once: what has no file
   * after minutes is freed.
   */
  async persist(tx: Transaction): Promise<void> {
    const staged = this.#staged.get(tx)
    if (staged === undefined) return
    const kept: { readonly storageKey: string; readonly content: Uint8Array }[] = []
    for (const [id, { namespace, row, content }] of staged) {
      // Deleted again, or stored by a nested mutation that was rolled back.
      const file = await tx.within(namespace, () => findFile(tx, id, 'storage.store'))
      if (file !== null) kept.push({ storageKey: row.storageKey, content })
    }
    if (kept.length === 0) return
    const keys = kept.map(({ storageKey }) => storageKey)
    await this.#whileArriving(keys, async () => {
      await this.database.mutate('storage:store', async (announcement) => {
        for (const key of keys) await insertUnowned(announcement, key)
      })
      const put = async ({ storageKey, content }: (typeof kept)[number]): Promise<void> => {
        await this.#blobs.put(storageKey, [content])
      }
      const { parallelPuts } = fileLimits
      for (let start = 0; start < kept.length; start += parallelPuts) {
        await Promise.all(kept.slice(start, start + parallelPuts).map(put))
      }
    })
  }

  #urlOf(file: StoredFile, namespace: string): string {
    const component = namespace === '' ? '' : `?component=${namespace}`
    return `${this.#url}/api/storage/${file.storageId}${component}`
  }

  async #whileArriving<T>(keys: readonly string[], run: () => Promise<T>): Promise<T> {
    if (this.#arriving.size >= fileLimits.maxConcurrentWrites) {
      throw new Overloaded(
        'TooManyConcurrentUploads',
        'Too many files are being stored at once. Try again later.',
        1000,
      )
    }
    for (const key of keys) this.#arriving.add(key)
    try {
      return await run()
    } finally {
      for (const key of keys) this.#arriving.delete(key)
    }
  }

  async #write(
    storageKey: string,
    content: Content,
    expected: string | undefined,
  ): Promise<{ readonly size: number; readonly sha256: string }> {
    const hash = createHash('sha256')
    let sha256 = ''
    const hashed = async function* (this: FileStore): AsyncGenerator<Uint8Array> {
      for await (const chunk of content) {
        this.#refuseIfClosed()
        hash.update(chunk)
        yield chunk
      }
      this.#refuseIfClosed()
      sha256 = hash.digest('base64')
      if (expected !== undefined) checkDigest(expected, sha256)
    }
    const { sizeBytes } = await this.#blobs.put(storageKey, hashed.call(this))
    return { size: sizeBytes, sha256 }
  }

  #refuseIfClosed(): void {
    if (this.#isClosed) throw new Overloaded('ServerShutdown', 'The deployment is closing. Try again.', 1000)
  }
}

function newFile(content: {
  readonly storageKey: string
  readonly sha256: string
  readonly size: number
  readonly contentType: string | undefined
}): FileRow {
  const { storageKey, sha256, size, contentType } = content
  const file = { storageId: randomUUID(), storageKey, sha256, size }
  return contentType === undefined ? file : { ...file, contentType }
}

function checkDigest(expected: string, actual: string): void {
  if (expected === actual) return
  throw new BadRequest(
    'Sha256Mismatch',
    `The content's SHA-256 is ${actual}, not ${expected} as was promised (base64).`,
  )
}
