import type { ByteSource, HeaderPairs } from './action.ts'

export type EgressRequest = {
  readonly url: string
  readonly method: string
  readonly headers: HeaderPairs
  readonly redirect: 'follow' | 'error' | 'manual'
  readonly body: Uint8Array | ByteSource | undefined
}

export type EgressResponse = {
  readonly status: number
  readonly statusText: string
  readonly headers: HeaderPairs
  /** Of the last hop. */
  readonly url: string
  readonly isRedirected: boolean
  readonly body: ByteSource | undefined
}

/** Makes the network requests of actions. Rejects with `FailedTransfer` for what the developer should see. */
export interface Egress {
  /** Whether loopback, private and link-local addresses may be reached. Whoever connects by itself keeps to it. */
  readonly allowsPrivate: boolean
  fetch(request: EgressRequest, signal: AbortSignal): Promise<EgressResponse>
}
