/** Reading what an auth provider publishes: small documents, in bounded time, from where they are said to be. */
import { authLimits } from './limits.ts'

export type FetchedDocument = {
  readonly status: number
  /** As sent, or empty. */
  readonly contentType: string
  readonly text: string
}

/** Rejects with a `DocumentUnavailable` when there is no answer. A status is an answer. */
export type FetchDiscovery = (url: string) => Promise<FetchedDocument>

/** `message` completes "… could not be read: ". */
export class DocumentUnavailable extends Error {
  override readonly name = 'DocumentUnavailable'
}

/** GET without credentials. Redirects are not followed: they could lead anywhere, and no provider needs them. */
export async function fetchDocument(
  url: string,
  options: { readonly timeoutMs?: number; readonly maxBytes?: number } = {},
): Promise<FetchedDocument> {
  const { timeoutMs = authLimits.fetchTimeoutMs, maxBytes = authLimits.maxDocumentBytes } = options
  // The signal is for the body as well.
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    const response = await fetch(url, { signal, redirect: 'manual', headers: { accept: 'application/json' } })
    const text = await readText(response, maxBytes)
    return { status: response.status, contentType: response.headers.get('content-type') ?? '', text }
  } catch (error) {
    if (error instanceof DocumentUnavailable) throw error
    if (signal.aborted)
      throw new DocumentUnavailable(`there was no complete answer within ${timeoutMs} ms`, { cause: error })
    throw new DocumentUnavailable(`there was no answer${reasonOf(error)}`, { cause: error })
  }
}

/**
 * Documents of our own origins come from this process: a deployment that is its own issuer must not depend on being able
 * to call itself over the network. Keys are origins without a trailing slash.
 */
export function withOwnOrigins(own: ReadonlyMap<string, FetchDiscovery>, elsewhere: FetchDiscovery): FetchDiscovery {
  return async (url) => await (own.get(new URL(url).origin) ?? elsewhere)(url)
}

/** RFC 2397. Undefined when `url` is not a data URL that can be read. */
export async function readDataUrl(url: string): Promise<string | undefined> {
  // A data URL is decoded in place; nothing is asked of anybody.
  const response = await fetch(url).catch(() => undefined)
  return await response?.text()
}

async function readText(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > maxBytes) throw new DocumentUnavailable(`the answer is larger than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** `fetch` hides what happened in a cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
}
