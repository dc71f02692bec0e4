import { createDeferred, type Deferred } from '@concave/base'
import { Worker } from 'node:worker_threads'

import type { ScoredVector, ScoreRequest } from './vector-scores.ts'

/** The thread that scores vectors. It starts with the first request, and again after it has ended. */
export class VectorScorer {
  readonly #pending = new Map<number, Deferred<readonly ScoredVector[]>>()
  #nextRequestId = 0
  #worker: Worker | undefined

  async score(request: ScoreRequest): Promise<readonly ScoredVector[]> {
    const worker = (this.#worker ??= this.#start())
    const requestId = this.#nextRequestId
    this.#nextRequestId += 1
    const deferred = createDeferred<readonly ScoredVector[]>()
    this.#pending.set(requestId, deferred)
    worker.ref()
    worker.postMessage({ requestId, request })
    return deferred.promise
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
  }

  #start(): Worker {
    const worker = new Worker(new URL('./vector-worker.ts', import.meta.url))
    worker.unref()
    worker.on('message', (answer: { readonly requestId: number; readonly results: readonly ScoredVector[] }) => {
      this.#pending.get(answer.requestId)?.resolve(answer.results)
      this.#pending.delete(answer.requestId)
      if (this.#pending.size === 0) worker.unref()
    })
    const end = (cause: Error): void => {
      if (this.#worker !== worker) return
      this.#worker = undefined
      for (const deferred of this.#pending.values()) deferred.reject(cause)
      this.#pending.clear()
    }
    worker.on('error', end)
    worker.on('exit', () => end(new Error('The thread that scores vectors ended.')))
    return worker
  }
}
