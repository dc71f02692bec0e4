import type { ActionAnswer, ByteSource } from './action.ts'
import type { ActionStreams } from './action-streams.ts'
import { BytePipe } from './byte-pipe.ts'
import type { Egress, EgressRequest } from './egress.ts'

/** Arguments of the operation `fetch`. The names of streams are the isolate's own. */
type FetchArgs = Omit<EgressRequest, 'body'> & {
  readonly fetchId: string
  /** `bytes`: they came with the operation; otherwise a stream's name, or nothing. */
  readonly body: 'none' | 'bytes' | 'stream'
}

/** The requests that one action has under way. Bodies are streams of the same name as the request. */
export class FetchCalls {
  readonly #egress: Egress
  readonly #streams: ActionStreams
  readonly #running = new Map<string, AbortController>()

  constructor(options: { readonly egress: Egress; readonly streams: ActionStreams }) {
    this.#egress = options.egress
    this.#streams = options.streams
  }

  async start(args: Readonly<Record<string, unknown>>, bytes: Uint8Array): Promise<ActionAnswer> {
    const { fetchId, body, ...request } = args as unknown as FetchArgs
    const controller = new AbortController()
    this.#running.set(fetchId, controller)
    try {
      const sent = this.#openBody(fetchId, body, bytes)
      const response = await this.#egress.fetch({ ...request, body: sent }, controller.signal)
      const { body: received, ...head } = response
      if (received !== undefined) this.#streams.addSource(fetchId, received)
      return { text: JSON.stringify({ ...head, hasBody: received !== undefined }) }
    } finally {
      this.#running.delete(fetchId)
    }
  }

  abort(fetchId: string): void {
    this.#running.get(fetchId)?.abort()
    this.#streams.cancel(fetchId)
    this.#streams.abort(fetchId, 'The request was aborted.')
  }

  close(): void {
    for (const controller of this.#running.values()) controller.abort()
    this.#running.clear()
  }

  #openBody(fetchId: string, kind: FetchArgs['body'], bytes: Uint8Array): Uint8Array | ByteSource | undefined {
    if (kind === 'none') return undefined
    if (kind === 'bytes') return bytes
    const pipe = new BytePipe()
    this.#streams.addSink(fetchId, pipe)
    return pipe
  }
}
