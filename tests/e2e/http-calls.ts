/** Calls of functions by plain HTTP, for tests whose subject is something else. */

export type CallAnswer = {
  readonly status: number
  readonly body: {
    readonly status?: 'success' | 'error'
    readonly value?: unknown
    readonly errorMessage?: string
    readonly errorData?: unknown
    readonly logLines?: readonly string[]
    readonly code?: string
    readonly message?: string
  }
}

/** A request with a JSON body. `key` goes into the header that admin requests have. */
export async function post(
  url: string,
  path: string,
  body: unknown,
  options: { readonly key?: string } = {},
): Promise<CallAnswer> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(options.key === undefined ? {} : { authorization: `Convex ${options.key}` }),
    },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as CallAnswer['body']) }
}

/** The value of a query; throws when it fails. */
export async function query(url: string, path: string, args: object = {}): Promise<unknown> {
  return valueOf(path, await post(url, '/api/query', { path, args, format: 'json' }))
}

/** The value of a mutation; throws when it fails. */
export async function mutation(url: string, path: string, args: object = {}): Promise<unknown> {
  return valueOf(path, await post(url, '/api/mutation', { path, args, format: 'json' }))
}

function valueOf(path: string, { body }: CallAnswer): unknown {
  if (body.status === 'success') return body.value
  throw new Error(`${path} failed: ${JSON.stringify(body)}`)
}
