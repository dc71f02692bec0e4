import { assert, AssertionError, createDeferred, type Deferred, type Log } from '@concave/base'
import { Worker } from 'node:worker_threads'
import { openFailed, outcomeUnknown, storageClosed } from '../storage-errors.ts'
import type {
  CallAnswer,
  CallKind,
  CallRequest,
  CheckpointReply,
  CommitterReply,
  CommitterRequest,
  FromCommitter,
  ToCommitter,
} from './committer-protocol.ts'

/**
 * The threads that write SQLite databases: a few committers, each serving many databases, and one for checkpoints. They
 * start when first needed. If a thread dies, what it had not answered is rejected with `AppendOutcomeUnknown`, and its
 * databases must be opened again.
 */
export class CommitterPool {
  readonly #threads: readonly CommitterThread[]
  readonly #checkpointer: Checkpointer
  #nextThread = 0
  #isClosed = false

  constructor(options?: { readonly threads?: number; readonly log?: Log }) {
    const count = options?.threads ?? 1
    assert(count >= 1, 'A committer pool has at least one thread.')
    this.#checkpointer = new Checkpointer(options?.log)
    this.#threads = Array.from({ length: count }, () => new CommitterThread(this.#checkpointer))
  }

  /** The thread that shall write one more database; stay with it while that is open. */
  assign(): CommitterThread {
    if (this.#isClosed) throw storageClosed()
    const thread = this.#threads[this.#nextThread % this.#threads.length]
    assert(thread !== undefined, 'The pool has threads.')
    this.#nextThread += 1
    return thread
  }

  /** Ends the threads. Close the databases first: what is unanswered is rejected. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#threads.map((thread) => thread.close()), this.#checkpointer.close()])
  }
}

type Pending = { readonly kind: CallKind; readonly deferred: Deferred<CallAnswer<CallKind>> }

export class CommitterThread {
  readonly #checkpointer: Checkpointer
  readonly #pending = new Map<number, Pending>()
  readonly #watchers = new Map<string, (isCheckpointing: boolean) => void>()
  #worker: Worker | undefined
  #nextRequestId = 1

  constructor(checkpointer: Checkpointer) {
    this.#checkpointer = checkpointer
  }

  /** Requests for one path are carried out in the order of these calls. Bytes in the request are taken over. */
  async call<K extends CallKind>(kind: K, path: string, request: CallRequest<K>): Promise<CallAnswer<K>> {
    const worker = (this.#worker ??= this.#start())
    const requestId = this.#nextRequestId
    this.#nextRequestId += 1
    const deferred = createDeferred<CallAnswer<CallKind>>()
    this.#pending.set(requestId, { kind, deferred })
    if (this.#pending.size === 1) worker.ref()
    const message = { kind: 'request', request: { ...request, kind, requestId, path } as CommitterRequest } as const
    worker.postMessage(message satisfies ToCommitter, ownedBuffers(message.request))
    return (await deferred.promise) as CallAnswer<K>
  }

  /** `watch` is told when a checkpoint of the database at `path` begins and ends. */
  watchCheckpoints(path: string, watch: (isCheckpointing: boolean) => void): void {
    this.#watchers.set(path, watch)
  }

  unwatchCheckpoints(path: string): void {
    this.#watchers.delete(path)
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
  }

  #start(): Worker {
    const worker = new Worker(new URL('./committer-worker.ts', import.meta.url))
    worker.unref()
    worker.on('message', (message: FromCommitter) => {
      if (message.kind === 'replies') for (const reply of message.replies) this.#settle(reply)
      else this.#checkpoint(worker, message)
    })
    worker.on('error', (error) => this.#end(worker, error))
    worker.on('exit', () => this.#end(worker, new Error('The committer thread ended.')))
    return worker
  }

  #settle(reply: CommitterReply): void {
    const pending = this.#pending.get(reply.requestId)
    assert(pending !== undefined, `The committer answered an unknown request ${reply.requestId}.`)
    this.#pending.delete(reply.requestId)
    if (this.#pending.size === 0) this.#worker?.unref()
    if (reply.ok) pending.deferred.resolve(reply.answer)
    else if (reply.isBug) pending.deferred.reject(new AssertionError(reply.message))
    else pending.deferred.reject(failureOf(pending.kind, new Error(reply.message)))
  }

  #checkpoint(worker: Worker, request: Extract<FromCommitter, { kind: 'checkpoint' }>): void {
    this.#watchers.get(request.path)?.(true)
    this.#checkpointer.checkpoint(request, () => {
      this.#watchers.get(request.path)?.(false)
      const message: ToCommitter = { kind: 'checkpointed', path: request.path }
      worker.postMessage(message)
    })
  }

  #end(worker: Worker, cause: Error): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { kind, deferred } of pending) deferred.reject(failureOf(kind, cause))
  }
}

class Checkpointer {
  readonly #waiting = new Map<string, () => void>()
  readonly #log: Log | undefined
  #worker: Worker | undefined

  constructor(log: Log | undefined) {
    this.#log = log
  }

  /** Calls `done` when the checkpoint was made or failed: a failed one is made up for by the next. */
  checkpoint(request: Extract<FromCommitter, { kind: 'checkpoint' }>, done: () => void): void {
    this.#waiting.set(request.path, done)
    this.#worker ??= this.#start()
    this.#worker.postMessage({ path: request.path, mode: request.mode })
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
  }

  #start(): Worker {
    const worker = new Worker(new URL('./checkpoint-worker.ts', import.meta.url))
    worker.unref()
    worker.on('message', ({ path, error }: CheckpointReply) => {
      if (error !== null) this.#log?.warn({ path, error }, 'A checkpoint failed; the next one makes up for it.')
      const done = this.#waiting.get(path)
      this.#waiting.delete(path)
      done?.()
    })
    const end = (cause: unknown): void => {
      if (this.#worker !== worker) return
      this.#worker = undefined
      if (this.#waiting.size > 0)
        this.#log?.warn({ cause }, 'The checkpoint thread ended; it is started again when needed.')
      const waiting = [...this.#waiting.values()]
      this.#waiting.clear()
      for (const done of waiting) done()
    }
    worker.on('error', end)
    worker.on('exit', end)
    return worker
  }
}

function failureOf(kind: CallKind, cause: Error): Error {
  return kind === 'open' ? openFailed(cause) : outcomeUnknown(cause)
}

function ownedBuffers(request: CommitterRequest): ArrayBuffer[] {
  if (request.kind === 'append') return [request.batch.buffer]
  if (request.kind === 'bulk') return [request.rows.buffer]
  return []
}
