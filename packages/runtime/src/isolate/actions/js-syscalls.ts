/** `Convex.jsSyscall`: operations that take and give objects of the isolate (function-runtime.md §2.8). */
import { Blob, bytesOf } from '../web/blob.ts'
import { bytesToText, textToBytes } from '../byte-text.ts'
import { requestFromConvexJson, responseToConvexJson } from './http-messages.ts'
import { request } from './operations.ts'

type JsSyscall = (args: Readonly<Record<string, unknown>>) => unknown

async function storeBlob({ blob, ...rest }: Readonly<Record<string, unknown>>): Promise<unknown> {
  if (!(blob instanceof Blob)) throw new TypeError('Expected a Blob')
  const args = JSON.stringify({ ...rest, contentType: blob.type === '' ? null : blob.type })
  return JSON.parse((await request('storage/storeBlob', args, bytesToText(bytesOf(blob)))).text)
}

async function getBlob(args: Readonly<Record<string, unknown>>): Promise<Blob | null> {
  const { text, body } = await request('storage/getBlob', JSON.stringify(args))
  const found = JSON.parse(text) as { readonly contentType: string | null } | null
  return found === null ? null : new Blob([textToBytes(body)], { type: found.contentType ?? '' })
}

export const jsSyscalls: Readonly<Record<string, JsSyscall>> = {
  'storage/storeBlob': storeBlob,
  'storage/getBlob': getBlob,
  requestFromConvexJson,
  convexJsonFromResponse: ({ response }) => responseToConvexJson(response),
}
