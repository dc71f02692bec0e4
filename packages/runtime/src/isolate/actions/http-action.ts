/** Runs one HTTP action: the module's router, the head of its response, then the body. */
import type { Namespace } from '../invoke.ts'
import { takeResponseBody } from '../web/messages.ts'
import { encodeUtf8 } from '../web/text-encoding.ts'
import { sendAllBytes, sendBody } from './body-transfer.ts'
import { takeResponse } from './http-messages.ts'
import { request } from './operations.ts'

type Router = {
  readonly isRouter?: unknown
  lookup(path: string, method: string): unknown
  runRequest(head: string, path: string): Promise<string>
}

/** Resolves when the whole response is out. `head` is what the router takes; `path` what it looks up. */
export async function runHttpAction(entry: Namespace, head: string, path: string): Promise<string> {
  const router = entry['default'] as Router | undefined
  if (router?.isRouter !== true) throw new Error('The default export of `convex/http.js` is not a Router.')
  const { method } = JSON.parse(head) as { readonly method: string }
  if (router.lookup(path, method) === null) {
    await respond({ status: 404, headerPairs: [['content-type', 'text/plain']] })
    await sendAllBytes('response', encodeUtf8('No matching routes found'))
    return ''
  }
  const answer = JSON.parse(await router.runRequest(head, path)) as { status: number; headerPairs: unknown }
  const response = takeResponse()
  const body = response === undefined ? undefined : takeResponseBody(response)
  const { status, headerPairs } = answer
  if (body?.stream === undefined) {
    const bytes = body?.bytes ?? new Uint8Array(0)
    await respond({ status, headerPairs, contentLength: bytes.length })
    await sendAllBytes('response', bytes)
  } else {
    await respond({ status, headerPairs })
    await sendBody('response', body.stream)
  }
  return ''
}

async function respond(head: object): Promise<void> {
  await request('http/respond', JSON.stringify(head))
}
