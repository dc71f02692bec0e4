/** Clients of `tests/fixtures/durable` that work while their server is killed, and remember what it has acknowledged. */
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { ConvexClient } from 'convex/browser'
import { makeFunctionReference } from 'convex/server'
import { upload } from './files-api.ts'
import { mutation, post } from './http-calls.ts'

/** Numbers from 0 up to 1 that a seed decides (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export type Acknowledged = {
  /** Of notes written by a live client, which repeats what was not answered: exactly once, in the end. */
  readonly notes: Set<string>
  /** Base64 digests of contents by id. */
  readonly files: Map<string, string>
  readonly forgotten: Set<string>
  readonly jobs: Map<string, 'mutation' | 'action'>
}

const note = makeFunctionReference<'mutation'>('work:note')

const digestOf = (content: string): string => createHash('sha256').update(content).digest('base64')

export class CrashWorkload {
  readonly acknowledged: Acknowledged = { notes: new Set(), files: new Map(), forgotten: new Set(), jobs: new Map() }
  readonly #url: string
  readonly #random: () => number
  readonly #client: ConvexClient
  readonly #workers: Promise<void>[] = []
  #count = 0
  #isOver = false

  constructor(options: { readonly url: string; readonly random: () => number }) {
    this.#url = options.url
    this.#random = options.random
    this.#client = new ConvexClient(options.url, { logger: false })
    for (let worker = 0; worker < 3; worker += 1) this.#work(`n${worker}`, (name) => this.#note(name))
    this.#work('u', (name) => this.#upload(name))
    this.#work('p', (name) => this.#uploadPart(name))
    this.#work('m', async (name) => void (await this.#store('mutation', 'store', name)))
    this.#work('a', async (name) => void (await this.#store('action', 'storeInAction', name)))
    this.#work('f', (name) => this.#storeAndForget(name))
    this.#work('sm', (name) => this.#schedule('mutation', name))
    this.#work('sa', (name) => this.#schedule('action', name))
  }

  /** Everything that was acknowledged so far, all kinds together. */
  get size(): number {
    const { notes, files, forgotten, jobs } = this.acknowledged
    return notes.size + files.size + forgotten.size + jobs.size
  }

  /** Ends when every client has ended what it was about; the server must be there. */
  async end(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#workers)
    await this.#client.close()
  }

  /** `act` over and over, with names of its own. What fails is not acknowledged. */
  #work(prefix: string, act: (name: string) => Promise<void>): void {
    const loop = async (): Promise<void> => {
      while (!this.#isOver) {
        this.#count += 1
        try {
          await act(`${prefix} ${this.#count}`)
        } catch {
          // The server is gone, or going: not too many requests at a door that is closed.
          await delay(20)
        }
      }
    }
    this.#workers.push(loop())
  }

  async #note(name: string): Promise<void> {
    await this.#client.mutation(note, { name })
    this.acknowledged.notes.add(name)
  }

  async #upload(name: string): Promise<void> {
    const content = this.#contentOf(name)
    const { status, body } = await upload((await mutation(this.#url, 'work:uploadUrl')) as string, content)
    if (status !== 200) return
    const file = body.storageId as string
    this.acknowledged.files.set(file, digestOf(content))
    await mutation(this.#url, 'work:keep', { name, file })
  }

  /** Stops half way: by itself, or because the server is killed meanwhile. */
  async #uploadPart(name: string): Promise<void> {
    const sender = new AbortController()
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(Buffer.from(this.#contentOf(name))),
      pull: async () => {
        await delay(200 * this.#random())
        sender.abort()
      },
    })
    const url = (await mutation(this.#url, 'work:uploadUrl')) as string
    await fetch(url, { method: 'POST', body, duplex: 'half', signal: sender.signal } as RequestInit)
  }

  async #store(kind: 'mutation' | 'action', path: string, name: string): Promise<string> {
    const content = this.#contentOf(name)
    const body = { path: `work:${path}`, args: { name, content }, format: 'json' }
    const answer = await post(this.#url, `/api/${kind}`, body)
    if (answer.body.status !== 'success') throw new Error(JSON.stringify(answer))
    const file = answer.body.value as string
    this.acknowledged.files.set(file, digestOf(content))
    return file
  }

  async #storeAndForget(name: string): Promise<void> {
    const file = await this.#store('mutation', 'store', name)
    // From here on it is there or not, until the deletion is acknowledged.
    this.acknowledged.files.delete(file)
    await mutation(this.#url, 'work:forget', { name })
    this.acknowledged.forgotten.add(file)
  }

  async #schedule(kind: 'mutation' | 'action', name: string): Promise<void> {
    const delayMs = this.#random() < 0.5 ? 0 : Math.floor(2_000 * this.#random())
    await mutation(this.#url, 'work:schedule', { name, kind, delayMs })
    this.acknowledged.jobs.set(name, kind)
  }

  #contentOf(name: string): string {
    return `${name} `.repeat(1 + Math.floor(20_000 * this.#random() ** 2))
  }
}
