/** References to the functions of `tests/fixtures/files`, and uploads as an app's client makes them. */
import { makeFunctionReference } from 'convex/server'

const query = (name: string) => makeFunctionReference<'query'>(`files:${name}`)
const mutation = (name: string) => makeFunctionReference<'mutation'>(`files:${name}`)

export const files = {
  uploadUrl: mutation('uploadUrl'),
  url: query('url'),
  urls: query('urls'),
  metadata: query('metadata'),
  remove: mutation('remove'),
  removeThenFail: mutation('removeThenFail'),
  document: query('document'),
  list: query('list'),
  page: query('page'),
  withContentType: query('withContentType'),
  withPrivateField: query('withPrivateField'),
  normalized: query('normalized'),
  count: query('count'),
  addPicture: mutation('addPicture'),
  store: mutation('store'),
  storeAndLook: mutation('storeAndLook'),
  read: mutation('read'),
  storeThenFail: mutation('storeThenFail'),
  surviveNestedFailure: mutation('surviveNestedFailure'),
  storeThenDelete: mutation('storeThenDelete'),
  storeWithin: mutation('storeWithin'),
  storeBytes: mutation('storeBytes'),
  readSize: mutation('readSize'),
}

export type Content = string | Uint8Array<ArrayBuffer> | ReadableStream

export type UploadAnswer = {
  readonly status: number
  readonly body: { readonly storageId?: string; readonly code?: string; readonly message?: string }
}

export async function upload(
  url: string,
  content: Content,
  headers: Readonly<Record<string, string>> = {},
): Promise<UploadAnswer> {
  const init = {
    method: 'POST',
    headers,
    body: content,
    ...(content instanceof ReadableStream ? { duplex: 'half' } : {}),
  }
  const response = await fetch(url, init as RequestInit)
  return { status: response.status, body: (await response.json()) as UploadAnswer['body'] }
}
