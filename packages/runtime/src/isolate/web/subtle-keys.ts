/** Making, importing and exporting keys of `crypto.subtle`. */
import { fillRandom } from '../random.ts'
import { atob } from './base64.ts'
import { copyBytes } from './interface.ts'
import { textToBytes } from '../byte-text.ts'
import { createKey, type CryptoKey, type KeyAlgorithm, keyBytes, type KeyType } from './crypto-key.ts'
import {
  type Algorithm,
  base64,
  base64Of,
  blockBits,
  compute,
  computeJson,
  type Dictionary,
  fail,
  type Family,
  ruleOf,
  toCurve,
  toHash,
  toUsages,
} from './subtle-algorithms.ts'

function makeKey(
  type: KeyType,
  bytes: Uint8Array,
  algorithm: KeyAlgorithm,
  extractable: unknown,
  usages: readonly string[],
): CryptoKey {
  if (usages.length === 0 && type !== 'public')
    fail('SyntaxError', 'Usages cannot be empty when importing a secret or private key.')
  return createKey({ type, bytes, algorithm, extractable: Boolean(extractable), usages })
}

export function importSecret(
  format: string,
  data: unknown,
  given: Algorithm,
  extractable: unknown,
  usages: unknown,
): CryptoKey {
  const { family, usages: allowed } = ruleOf(given.name)
  const checked = toUsages(usages, allowed.secret ?? [])
  const bytes = format === 'jwk' && family !== 'derivation' ? bytesOfJwk(data as Dictionary) : rawBytes(format, data)
  if (family === 'derivation') {
    if (extractable === true) fail('SyntaxError', `${given.name} keys are not extractable`)
    return makeKey('secret', bytes, { name: given.name }, false, checked)
  }
  const length = bytes.length * 8
  if (family === 'aes') {
    if (length !== 128 && length !== 192 && length !== 256) fail('DataError', 'Invalid key length')
    return makeKey('secret', bytes, { name: given.name, length }, extractable, checked)
  }
  if (length === 0) fail('DataError', 'Zero-length key is not supported')
  return makeKey(
    'secret',
    bytes,
    { name: given.name, hash: { name: toHash(given['hash']) }, length },
    extractable,
    checked,
  )
}

function rawBytes(format: string, data: unknown): Uint8Array {
  if (format !== 'raw') fail('NotSupportedError', `Unable to import a secret key as ${format}`)
  return copyBytes(data, 'The key data')
}

function bytesOfJwk(jwk: Dictionary): Uint8Array {
  if (jwk['kty'] !== 'oct' || typeof jwk['k'] !== 'string') fail('DataError', 'Invalid keyData')
  return fromBase64Url(jwk['k'])
}

function fromBase64Url(text: string): Uint8Array {
  try {
    return textToBytes(atob(text.replaceAll('-', '+').replaceAll('_', '/')))
  } catch {
    return fail('DataError', 'Invalid keyData')
  }
}

function toBase64Url(bytes: Uint8Array): string {
  return base64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** The kind of an imported key that each family needs. */
const kindOf = (name: string, family: Family): string =>
  family === 'rsa' ? 'rsa' : family === 'ec' ? 'ec' : name.toLowerCase()

export function importPair(
  format: string,
  data: unknown,
  given: Algorithm,
  extractable: unknown,
  usages: unknown,
): CryptoKey {
  const { name } = given
  const { family, usages: allowed } = ruleOf(name)
  const namedCurve = family === 'ec' ? toCurve(given['namedCurve']) : undefined
  const hash = family === 'rsa' ? { name: toHash(given['hash']) } : undefined
  if (!['pkcs8', 'spki', 'jwk', 'raw'].includes(format) || (format === 'raw' && family === 'rsa')) {
    fail('NotSupportedError', `Unable to import ${name} key using ${format} format`)
  }
  const source = format === 'jwk' ? { jwk: data } : { key: base64Of(data, 'The key data') }
  const found = computeJson('import', { algorithm: { name, namedCurve }, format, ...source }, 'DataError')
  const isRight =
    found['kind'] === kindOf(name, family) && (namedCurve === undefined || found['namedCurve'] === namedCurve)
  if (!isRight) fail('DataError', 'Invalid key type')
  const type = found['type'] as KeyType
  const checked = toUsages(usages, allowed[type] ?? [])
  const algorithm: KeyAlgorithm = {
    name,
    ...(hash === undefined
      ? {}
      : { ...rsaDetails(Number(found['modulusLength']), Number(found['publicExponent'])), hash }),
    ...(namedCurve === undefined ? {} : { namedCurve }),
  }
  return makeKey(type, textToBytes(atob(String(found['key']))), algorithm, extractable, checked)
}

function rsaDetails(modulusLength: number, exponent: number): Pick<KeyAlgorithm, 'modulusLength' | 'publicExponent'> {
  const bytes: number[] = []
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return { modulusLength, publicExponent: new Uint8Array(bytes) }
}

export function exportSecret(format: string, key: CryptoKey): ArrayBuffer | object {
  const bytes = keyBytes(key)
  if (format === 'raw') return new Uint8Array(bytes).buffer
  if (format !== 'jwk') return fail('NotSupportedError', `Unable to export a secret key as ${format}`)
  const { name, hash, length } = key.algorithm
  const alg = name === 'HMAC' ? `HS${hash?.name.slice(4)}` : `A${length}${name.slice(4)}`
  return {
    kty: 'oct',
    k: toBase64Url(bytes),
    alg: alg === 'HS1' ? 'HS1' : alg,
    key_ops: key.usages,
    ext: key.extractable,
  }
}

export function exportPair(format: string, key: CryptoKey): ArrayBuffer | object {
  const expected = key.type === 'private' ? 'pkcs8' : 'spki'
  if (format === expected) return new Uint8Array(keyBytes(key)).buffer
  const { family } = ruleOf(key.algorithm.name)
  if (format !== 'jwk' && (format !== 'raw' || key.type !== 'public' || family === 'rsa')) {
    fail('InvalidAccessError', `Unable to export a raw ${key.algorithm.name} ${key.type} key`)
  }
  const args = { format, type: key.type, key: base64(keyBytes(key)), algorithm: key.algorithm }
  if (format === 'raw') return compute('export', args).buffer
  const alg = family === 'rsa' ? { alg: rsaAlg(key.algorithm) } : {}
  return { ...computeJson('export', args), key_ops: key.usages, ext: key.extractable, ...alg }
}

function rsaAlg({ name, hash }: KeyAlgorithm): string {
  const bits = hash?.name.slice(4) ?? ''
  if (name === 'RSA-OAEP') return bits === '1' ? 'RSA-OAEP' : `RSA-OAEP-${bits}`
  return `${name === 'RSA-PSS' ? 'PS' : 'RS'}${bits}`
}

export function generateSecret(given: Algorithm, extractable: unknown, usages: unknown): CryptoKey {
  const hash = given.name === 'HMAC' ? toHash(given['hash']) : undefined
  const length = Number(given['length'] ?? (hash === undefined ? Number.NaN : blockBits[hash]))
  const isRight = hash === undefined ? [128, 192, 256].includes(length) : length > 0 && length % 8 === 0
  if (!isRight) fail('OperationError', 'Invalid key length')
  const checked = toUsages(usages, ruleOf(given.name).usages.secret ?? [])
  const bytes = new Uint8Array(length / 8)
  fillRandom(bytes, bytes.length)
  const algorithm = { name: given.name, length, ...(hash === undefined ? {} : { hash: { name: hash } }) }
  return makeKey('secret', bytes, algorithm, extractable, checked)
}

export function generatePair(given: Algorithm, extractable: unknown, usages: unknown): object {
  const { name } = given
  const { family, usages: allowed } = ruleOf(name)
  const checked = toUsages(usages, [...(allowed.private ?? []), ...(allowed.public ?? [])])
  const namedCurve = family === 'ec' ? toCurve(given['namedCurve']) : undefined
  const isRsa = family === 'rsa'
  const modulusLength = isRsa ? Number(given['modulusLength']) : undefined
  if (modulusLength !== undefined && !(modulusLength >= 256 && modulusLength <= 16_384))
    fail('OperationError', 'Invalid modulusLength')
  const publicExponent = isRsa
    ? copyBytes(given['publicExponent'], 'The public exponent').reduce((sum, byte) => sum * 256 + byte, 0)
    : undefined
  const hash = isRsa ? { name: toHash(given['hash']) } : undefined
  const made = computeJson('generate', { algorithm: { name, namedCurve, modulusLength, publicExponent } })
  const algorithm: KeyAlgorithm = {
    name,
    ...(hash === undefined ? {} : { ...rsaDetails(modulusLength as number, publicExponent as number), hash }),
    ...(namedCurve === undefined ? {} : { namedCurve }),
  }
  const key = (type: 'private' | 'public'): CryptoKey =>
    makeKey(
      type,
      textToBytes(atob(String(made[`${type}Key`]))),
      algorithm,
      type === 'public' || extractable === true,
      checked.filter((usage) => allowed[type]?.includes(usage)),
    )
  return { publicKey: key('public'), privateKey: key('private') }
}
