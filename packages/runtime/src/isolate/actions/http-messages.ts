/** The two synchronous operations of the server library's router (function-runtime.md §1.8). */
import { AbortController } from '../web/abort.ts'
import { Request, Response, watchSignalReads } from '../web/messages.ts'
import { openByteSource } from './body-transfer.ts'

type ConvexRequest = {
  readonly headerPairs: readonly (readonly [string, string])[]
  readonly url: string
  readonly method: string
  readonly streamId: string | null
}

let clientGone: AbortController | undefined
/** User code has the signal that says so. */
let isClientWatched = false
watchSignalReads((signal) => (isClientWatched ||= signal === clientGone?.signal))

/** The response that the router has given, until its head and body are sent. */
let answered: Response | undefined

export function requestFromConvexJson({ convexJson }: Readonly<Record<string, unknown>>): Request {
  const { headerPairs, url, method, streamId } = convexJson as ConvexRequest
  clientGone = new AbortController()
  return new Request(url, {
    method,
    headers: headerPairs,
    signal: clientGone.signal,
    ...(streamId === null ? {} : { body: openByteSource(streamId) }),
  })
}

export function responseToConvexJson(response: unknown): object {
  if (!(response instanceof Response)) throw new TypeError('HTTP actions must return a Response')
  answered = response
  return { headerPairs: [...response.headers], status: response.status, streamId: 'response' }
}

export function takeResponse(): Response | undefined {
  const response = answered
  answered = undefined
  return response
}

/** The client has gone away. */
export function abortRequest(): void {
  clientGone?.abort()
}

/** The action may go on when the client has gone away, even if nothing else can make it. */
export function mayHearOfClient(): boolean {
  return isClientWatched && clientGone?.signal.aborted === false
}
