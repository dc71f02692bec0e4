/**
 * Secrets of tokens and keys: `eyJ2MiI6I…`, the base64 of `{"v2":"<43 random characters><8 of checksum>"}`
 * (management-api §3.2). 256 random bits; nothing but letters and digits, so neither `|` nor `:`. The checksum tells a
 * mistyped secret from an unknown one without the database. Stored is only HMAC-SHA-256(pepper, random part).
 */
import { createHash, createHmac } from 'node:crypto'
import { assert, type Random } from '@concave/base'

const randomBytes = 32
const randomLength = 43
const checksumLength = 8
const hintLength = 4
const minPepperBytes = 32

export type Secret = {
  /** Shown once, never stored. */
  readonly text: string
  readonly hash: string
  readonly hint: string
}

export class Secrets {
  readonly #random: Random
  readonly #pepper: Uint8Array

  constructor(deps: { readonly random: Random; readonly pepper: Uint8Array }) {
    assert(deps.pepper.length >= minPepperBytes, `The pepper must have at least ${minPepperBytes} bytes.`)
    this.#random = deps.random
    this.#pepper = deps.pepper
  }

  create(): Secret {
    const random = Buffer.from(this.#random.bytes(randomBytes)).toString('base64url')
    const text = Buffer.from(JSON.stringify({ v2: random + checksum(random) })).toString('base64')
    return { text, hash: this.#hash(random), hint: text.slice(-hintLength) }
  }

  /** The stored form of a presented secret; `undefined` if it cannot be one of ours. */
  hash(text: string): string | undefined {
    const random = parse(text)
    return random === undefined ? undefined : this.#hash(random)
  }

  #hash(random: string): string {
    return createHmac('sha256', this.#pepper).update(random).digest('hex')
  }
}

/** What follows the printed prefix of a key, or the whole text if there is none: `dev:happy-otter-123|…`, `…`. */
export function secretOf(presented: string): string {
  return presented.slice(presented.indexOf('|') + 1)
}

/** What is printed in front of the `|`: where the key says it belongs. Never widens what the secret may do. */
export function prefixOf(presented: string): string | undefined {
  const bar = presented.indexOf('|')
  return bar === -1 ? undefined : presented.slice(0, bar)
}

function parse(text: string): string | undefined {
  const inside = /^\{"v2":"(?<body>[\w-]+)"\}$/.exec(Buffer.from(text, 'base64').toString('latin1'))?.groups?.['body']
  if (inside?.length !== randomLength + checksumLength) return undefined
  const random = inside.slice(0, randomLength)
  // Node's decoder is lenient; only the text that we would have printed counts.
  if (Buffer.from(JSON.stringify({ v2: inside })).toString('base64') !== text) return undefined
  return checksum(random) === inside.slice(randomLength) ? random : undefined
}

function checksum(random: string): string {
  return createHash('sha256').update(random).digest('base64url').slice(0, checksumLength)
}
