import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { type Blobs, type ByteRange, checkBlobKey, type Content } from './blobs.ts'

const incomingFolder = 'incoming'

/**
 * One file per blob: `<folder>/<first two characters of the key>/<key>`. Content is written to `incoming/` first, and
 * moved once it is durable. One process owns the folder, which is made by the first `put`.
 */
export class DiskBlobs implements Blobs {
  readonly #folder: string
  /** Folders that are there durably, or soon will be. */
  readonly #folders = new Map<string, Promise<void>>()
  #puts = 0

  /** Throws away what interrupted puts have left. */
  static async open(options: { readonly folder: string }): Promise<DiskBlobs> {
    await rm(join(options.folder, incomingFolder), { recursive: true, force: true })
    return new DiskBlobs(options.folder)
  }

  private constructor(folder: string) {
    this.#folder = folder
  }

  async put(key: string, content: Content): Promise<{ readonly sizeBytes: number }> {
    const path = this.#pathOf(key)
    const draft = join(this.#folder, incomingFolder, `${key}.${this.#puts++}`)
    await this.#ensureFolder(dirname(draft))
    try {
      const sizeBytes = await writeDurably(draft, content)
      await this.#ensureFolder(dirname(path))
      await rename(draft, path)
      await syncFolder(dirname(path))
      return { sizeBytes }
    } catch (error) {
      await rm(draft, { force: true })
      throw error
    }
  }

  async read(key: string, range?: ByteRange): Promise<Readable | undefined> {
    const handle = await orMissing(open(this.#pathOf(key)))
    if (handle === undefined) return undefined
    if (range === undefined) return handle.createReadStream()
    if (range.start < range.end) return handle.createReadStream({ start: range.start, end: range.end - 1 })
    await handle.close()
    return Readable.from([])
  }

  async delete(key: string): Promise<void> {
    await rm(this.#pathOf(key), { force: true })
  }

  /** Once per process, also for a folder that exists: whoever made it may not have lived to make it durable. */
  async #ensureFolder(path: string): Promise<void> {
    let ensured = this.#folders.get(path)
    if (ensured === undefined) {
      ensured = this.#createFolder(path)
      this.#folders.set(path, ensured)
    }
    try {
      await ensured
    } catch (error) {
      this.#folders.delete(path)
      throw error
    }
  }

  async #createFolder(path: string): Promise<void> {
    await mkdir(path, { recursive: true })
    await syncFolder(this.#folder)
    await syncFolder(dirname(this.#folder))
  }

  #pathOf(key: string): string {
    checkBlobKey(key)
    return join(this.#folder, key.slice(0, 2), key)
  }
}

async function writeDurably(path: string, content: Content): Promise<number> {
  const handle = await open(path, 'w')
  try {
    let sizeBytes = 0
    for await (const chunk of content) {
      await writeAll(handle, chunk)
      sizeBytes += chunk.length
    }
    await handle.sync()
    return sizeBytes
  } finally {
    await handle.close()
  }
}

/** A write may take less than it was given: on a full disk, or by a signal. */
async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.length;) {
    offset += (await handle.write(chunk, offset, chunk.length - offset)).bytesWritten
  }
}

/** Makes entries of a folder durable: a new name is not part of the file that it names. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function orMissing<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
