/** One of several keys, as clients name it: by its secret, its number or its name. */
import { NotFound, PlatformError } from '@concave/base'
import type { AccessTokenRecord } from './records.ts'
import type { Stored } from './store.ts'

/**
 * `id`: the whole key or its secret (whose hash is `hash`), its number or its exact name, in this order. Throws 404
 * `{code}NotFound`, 409 `Ambiguous{code}`. `id` may be a secret: it is not repeated in messages.
 */
export function findToken(
  tokens: readonly Stored<AccessTokenRecord>[],
  wanted: { readonly id: string; readonly hash: string | undefined },
  words: { readonly code: string; readonly noun: string },
): Stored<AccessTokenRecord> {
  const { id, hash } = wanted
  const exact = tokens.find((token) => token.hash === hash) ?? tokens.find((token) => String(token.id) === id)
  if (exact !== undefined) return exact
  const [named, ...others] = tokens.filter(({ name }) => name === id)
  if (named === undefined) throw new NotFound(`${words.code}NotFound`, `There is no such ${words.noun} here.`)
  if (others.length === 0) return named
  throw new PlatformError(
    409,
    `Ambiguous${words.code}`,
    `There are ${others.length + 1} with this name here: give the id of one ${words.noun}.`,
  )
}
