/**
 * The deployment's own key and the JWTs that mutations sign with it (function-runtime.md §2.6). The key is made when the
 * first token is asked for, in a transaction of its own: a token outlives a mutation that fails.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto'
import type { Clock } from '@concave/base'
import type { Database } from '@concave/database'
import { CatchableError } from '@concave/runtime'
import { SignJWT } from 'jose'
import { z } from 'zod'
import { type SigningKeyRow, signingKeys } from '../records.ts'
import { authLimits } from './limits.ts'

export type JwtRequest = { readonly claims: Readonly<Record<string, unknown>>; readonly expiresInSeconds: number }

type SigningKey = { readonly keyId: string; readonly privateKey: KeyObject }

const requestSchema = z.object({
  claims: z.record(z.string(), z.unknown()).default({}),
  expiresInSeconds: z.number().int().min(1).max(authLimits.maxTokenLifetimeSeconds),
})

/** Theirs to set would be a forged issuer or lifetime; the prefixes are kept for the platform. */
const reservedClaims = ['iss', 'iat', 'exp', 'nbf']
const reservedPrefix = /^(convex|cvx)/i

/** Arguments of `1.0/signJwt`. Throws what user code may catch. */
export function readJwtRequest(args: Readonly<Record<string, unknown>>): JwtRequest {
  const parsed = requestSchema.safeParse(args)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const what =
      issue?.path[0] === 'expiresInSeconds'
        ? `\`expiresInSeconds\` must be a whole number from 1 to ${authLimits.maxTokenLifetimeSeconds}`
        : '`claims` must be an object'
    throw new CatchableError(`Invalid arguments for \`ctx.auth.signJwt\`: ${what}.`)
  }
  const reserved = Object.keys(parsed.data.claims).find(
    (name) => reservedClaims.includes(name) || reservedPrefix.test(name),
  )
  if (reserved !== undefined) {
    throw new CatchableError(`Invalid arguments for \`ctx.auth.signJwt\`: the claim \`${reserved}\` is reserved.`)
  }
  if (JSON.stringify(parsed.data.claims).length > authLimits.maxSignedClaimsLength) {
    throw new CatchableError(
      `Invalid arguments for \`ctx.auth.signJwt\`: \`claims\` are longer than ${authLimits.maxSignedClaimsLength} characters of JSON.`,
    )
  }
  return parsed.data
}

export class SigningKeys {
  readonly #database: Database
  readonly #clock: Clock
  readonly #issuer: string
  #current: Promise<SigningKey> | undefined

  constructor(deps: { readonly database: Database; readonly clock: Clock; readonly issuer: string }) {
    this.#database = deps.database
    this.#clock = deps.clock
    this.#issuer = deps.issuer
  }

  /** ES256, with `iss`, `iat` and `exp` of ours. A component (not the app, whose path is '') signs as itself. */
  async sign({ claims, expiresInSeconds }: JwtRequest, componentPath: string): Promise<string> {
    const { keyId, privateKey } = await this.#get()
    const iss = componentPath === '' ? this.#issuer : `${this.#issuer}/components/${componentPath}`
    const iat = Math.floor(this.#clock.nowMs() / 1000)
    return await new SignJWT({ ...claims, iss, iat, exp: iat + expiresInSeconds })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: keyId })
      .sign(privateKey)
  }

  /** The JSON Web Key Set by which anybody can check the tokens (RFC 7517 §5). Empty until the first was signed. */
  async publicKeySet(): Promise<{ readonly keys: readonly object[] }> {
    const { value: rows } = await this.#database.read((tx) => signingKeys.list(tx))
    return {
      keys: rows.map(({ keyId, privateKey }) => {
        const { kty, crv, x, y } = createPublicKey(privateKey).export({ format: 'jwk' })
        return { kty, crv, x, y, kid: keyId, alg: 'ES256', use: 'sig' }
      }),
    }
  }

  #get(): Promise<SigningKey> {
    this.#current ??= this.#loadOrCreate().catch((error: unknown) => {
      this.#current = undefined
      throw error
    })
    return this.#current
  }

  async #loadOrCreate(): Promise<SigningKey> {
    const { value } = await this.#database.mutate('system:create_signing_key', async (tx): Promise<SigningKeyRow> => {
      const [existing] = await signingKeys.list(tx, { order: 'desc', limit: 1 })
      if (existing !== undefined) return existing
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const row = { keyId: randomUUID(), privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString() }
      await signingKeys.insert(tx, row)
      return row
    })
    return { keyId: value.keyId, privateKey: createPrivateKey(value.privateKey) }
  }
}
