/**
 * Admin keys of the development form (management-api.md §3.3): whoever knows a deployment's name and its instance secret
 * can make them, nobody can list or revoke them. They say when and for whom they were made, and that under the secret.
 */
import { createHmac } from 'node:crypto'
import { BadRequest, type Clock, type Random } from '@concave/base'
import type { KeyVerdict, KeyVerifier } from '@concave/deployment'
import { readOnlyActions } from '@concave/protocol'
import { gcmsiv } from '@noble/ciphers/aes.js'
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js'
import type { Cipher } from '@noble/ciphers/utils.js'

const version = Uint8Array.of(1)
const nonceBytes = 12
const legacyNonceBytes = 24
const maxKeyLength = 1024

export class InstanceKeys implements KeyVerifier {
  readonly #name: string
  readonly #secret: Uint8Array
  readonly #key: Uint8Array

  /** `secret`: 32 bytes as 64 hexadecimal digits. Throws `InvalidOption` otherwise. */
  constructor(instance: { readonly name: string; readonly secret: string }) {
    if (!/^[0-9a-f]{64}$/i.test(instance.secret)) {
      throw new BadRequest('InvalidOption', '--instance-secret must be 32 bytes, written as 64 hexadecimal digits.')
    }
    this.#name = instance.name
    this.#secret = Buffer.from(instance.secret, 'hex')
    this.#key = deriveKey(this.#secret)
  }

  create(deps: { readonly clock: Clock; readonly random: Random }): string {
    const nonce = deps.random.bytes(nonceBytes)
    const issuedSeconds = Math.floor(deps.clock.nowMs() / 1000)
    // Field 2 is when it was made; field 3 the member it is for, and 0 is nobody in particular.
    const plaintext = Uint8Array.from([0x10, ...encodeVarint(issuedSeconds), 0x18, 0])
    const sealed = gcmsiv(this.#key, nonce, version).encrypt(plaintext)
    return `${this.#name}|${Buffer.concat([version, nonce, sealed]).toString('hex')}`
  }

  async verify(presented: string): Promise<KeyVerdict> {
    const bar = presented.indexOf('|')
    const printedName = bar === -1 ? undefined : presented.slice(0, bar).split(':').at(-1)
    const secret = presented.slice(bar + 1)
    const content = presented.length > maxKeyLength ? undefined : this.#open(secret)
    const name = printedName ?? content?.name
    if (content === undefined || name === undefined) return { kind: 'unknown' }
    if (name !== this.#name || (content.name ?? name) !== name) return { kind: 'otherDeployment' }
    const { isReadOnly } = content
    return { kind: 'ok', keyId: 'instance', isReadOnly, allowedActions: isReadOnly ? readOnlyActions : 'all' }
  }

  #open(secret: string): KeyContent | undefined {
    if (!/^01([0-9a-f]{2})+$/i.test(secret)) return undefined
    const bytes = Buffer.from(secret, 'hex').subarray(1)
    const nonce = bytes.subarray(0, nonceBytes)
    if (nonce.length < nonceBytes) return undefined
    const plaintext = open(gcmsiv(this.#key, nonce, version), bytes.subarray(nonceBytes)) ?? this.#openLegacy(bytes)
    return plaintext === undefined ? undefined : readContent(plaintext)
  }

  /** NaCl's secretbox, with the secret itself. */
  #openLegacy(bytes: Uint8Array): Uint8Array | undefined {
    const nonce = bytes.subarray(0, legacyNonceBytes)
    if (nonce.length < legacyNonceBytes) return undefined
    return open(xsalsa20poly1305(this.#secret, nonce), bytes.subarray(legacyNonceBytes))
  }
}

/** Undefined: it was not sealed with this key, or it was changed. */
function open(cipher: Cipher, sealed: Uint8Array): Uint8Array | undefined {
  try {
    return cipher.decrypt(sealed)
  } catch {
    return undefined
  }
}

type KeyContent = { readonly name: string | undefined; readonly isReadOnly: boolean }

/** NIST SP 800-108 in counter mode, one round, with the bare label. */
function deriveKey(secret: Uint8Array): Uint8Array {
  return createHmac('sha256', secret).update('\0\0\0\u0001admin key', 'latin1').digest().subarray(0, 16)
}

/** A protobuf message of fields 1 to 5. Undefined: it has no time, not exactly one holder, or is none. */
function readContent(message: Uint8Array): KeyContent | undefined {
  const fields = readFields(message)
  if (fields === undefined) return undefined
  const [name, issuedSeconds, member, system, isReadOnly] = [1, 2, 3, 4, 5].map((field) => fields.get(field))
  const holders = [member, system].filter((holder) => holder !== undefined)
  const isWhole =
    typeof issuedSeconds === 'number' && issuedSeconds > 0 && holders.length === 1 && typeof name !== 'number'
  if (!isWhole) return undefined
  return { name: name === undefined ? undefined : Buffer.from(name).toString('utf8'), isReadOnly: isReadOnly === 1 }
}

function readFields(message: Uint8Array): ReadonlyMap<number, number | Uint8Array> | undefined {
  const fields = new Map<number, number | Uint8Array>()
  let position = 0
  const readVarint = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = message[position++]
      if (byte === undefined) return Number.NaN
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
  }
  while (position < message.length) {
    const tag = readVarint()
    const value = readVarint()
    if (Number.isNaN(value) || (tag % 8 !== 0 && tag % 8 !== 2)) return undefined
    if (tag % 8 === 0) {
      fields.set(tag >>> 3, value)
      continue
    }
    if (position + value > message.length) return undefined
    fields.set(tag >>> 3, message.subarray(position, position + value))
    position += value
  }
  return fields
}

function encodeVarint(value: number): readonly number[] {
  const bytes: number[] = []
  let rest = value
  while (rest >= 128) {
    bytes.push((rest % 128) | 0x80)
    rest = Math.floor(rest / 128)
  }
  return [...bytes, rest]
}
