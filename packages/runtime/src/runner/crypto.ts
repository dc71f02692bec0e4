/**
 * The mathematics behind `crypto.subtle`, done synchronously by this process: OpenSSL under the same walls as
 * everything else. The isolate has checked names, usages and types; keys travel as their bytes (`raw`, PKCS #8, SPKI).
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  pbkdf2Sync,
  privateDecrypt,
  publicEncrypt,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto'

/** Bytes in JSON are base64. */
type Algorithm = {
  readonly name: string
  readonly hash?: string
  readonly iv?: string
  readonly counter?: string
  readonly length?: number
  readonly additionalData?: string
  readonly tagLength?: number
  readonly label?: string
  readonly saltLength?: number
  readonly salt?: string
  readonly info?: string
  readonly iterations?: number
  readonly publicKey?: string
  readonly namedCurve?: string
  readonly modulusLength?: number
  readonly publicExponent?: number
}
type Args = {
  readonly algorithm: Algorithm
  readonly key: string
  readonly type: 'secret' | 'private' | 'public'
  readonly format: 'raw' | 'jwk' | 'pkcs8' | 'spki'
  readonly signature: string
  readonly length: number
  readonly jwk: Record<string, string>
}
type Operation = (args: Args, data: Buffer) => Buffer

/** Answers `0` and bytes as text, or `1` and what OpenSSL says. */
export function answerCrypto(operation: string, argsText: string, data: string): string {
  const run = Object.hasOwn(operations, operation) ? operations[operation] : undefined
  if (run === undefined) return `1There is no operation ${operation}.`
  try {
    return `0${run(JSON.parse(argsText) as Args, Buffer.from(data, 'latin1')).toString('latin1')}`
  } catch (error) {
    return `1${error instanceof Error ? error.message : 'The operation failed.'}`
  }
}

const operations: Readonly<Record<string, Operation>> = {
  'crypto/digest': ({ algorithm }, data) => createHash(hashName(algorithm)).update(data).digest(),
  'crypto/sign': (args, data) => signWith(args, data),
  'crypto/verify': (args, data) => Buffer.from([verifyWith(args, data) ? 1 : 0]),
  'crypto/encrypt': ({ algorithm, key }, data) =>
    algorithm.name === 'RSA-OAEP'
      ? publicEncrypt(oaep(algorithm, publicKey(key)), data)
      : encrypt(algorithm, key, data),
  'crypto/decrypt': ({ algorithm, key }, data) =>
    algorithm.name === 'RSA-OAEP'
      ? privateDecrypt(oaep(algorithm, privateKey(key)), data)
      : decrypt(algorithm, key, data),
  'crypto/derive': deriveBits,
  'crypto/generate': ({ algorithm }) => generatePair(algorithm),
  'crypto/import': importKey,
  'crypto/export': exportKey,
}

function bytes(text: string | undefined): Buffer {
  return Buffer.from(text ?? '', 'base64')
}

/** `SHA-256` is `sha256` here. */
function hashName({ hash }: Algorithm): string {
  return (hash ?? '').toLowerCase().replace('-', '')
}

function privateKey(key: string): KeyObject {
  return createPrivateKey({ key: bytes(key), format: 'der', type: 'pkcs8' })
}

function publicKey(key: string): KeyObject {
  return createPublicKey({ key: bytes(key), format: 'der', type: 'spki' })
}

function signWith({ algorithm, key }: Args, data: Buffer): Buffer {
  switch (algorithm.name) {
    case 'HMAC':
      return createHmac(hashName(algorithm), bytes(key)).update(data).digest()
    case 'Ed25519':
      return sign(null, data, privateKey(key))
    default:
      return sign(hashName(algorithm), data, { key: privateKey(key), ...signatureForm(algorithm) })
  }
}

function verifyWith({ algorithm, key, signature }: Args, data: Buffer): boolean {
  const given = bytes(signature)
  switch (algorithm.name) {
    case 'HMAC': {
      const right = createHmac(hashName(algorithm), bytes(key)).update(data).digest()
      return given.length === right.length && timingSafeEqual(given, right)
    }
    case 'Ed25519':
      return verify(null, data, publicKey(key), given)
    default:
      return verify(hashName(algorithm), data, { key: publicKey(key), ...signatureForm(algorithm) }, given)
  }
}

function signatureForm({ name, saltLength }: Algorithm): object {
  switch (name) {
    case 'RSA-PSS':
      return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }
    case 'ECDSA':
      return { dsaEncoding: 'ieee-p1363' }
    default:
      return {}
  }
}

function oaep(algorithm: Algorithm, key: KeyObject) {
  const label = algorithm.label === undefined ? {} : { oaepLabel: bytes(algorithm.label) }
  return { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hashName(algorithm), ...label }
}

function encrypt(algorithm: Algorithm, key: string, data: Buffer): Buffer {
  const secret = bytes(key)
  const bits = secret.length * 8
  switch (algorithm.name) {
    case 'AES-GCM': {
      const authTagLength = (algorithm.tagLength ?? 128) / 8
      const cipher = createCipheriv(gcm(bits), secret, bytes(algorithm.iv), { authTagLength })
      if (algorithm.additionalData !== undefined) cipher.setAAD(bytes(algorithm.additionalData))
      return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()])
    }
    case 'AES-CBC': {
      const cipher = createCipheriv(`aes-${bits}-cbc`, secret, bytes(algorithm.iv))
      return Buffer.concat([cipher.update(data), cipher.final()])
    }
    default:
      return counterMode(algorithm, secret, data)
  }
}

function decrypt(algorithm: Algorithm, key: string, data: Buffer): Buffer {
  const secret = bytes(key)
  const bits = secret.length * 8
  switch (algorithm.name) {
    case 'AES-GCM': {
      const authTagLength = (algorithm.tagLength ?? 128) / 8
      if (data.length < authTagLength) throw new Error('The provided data is too small.')
      const decipher = createDecipheriv(gcm(bits), secret, bytes(algorithm.iv), { authTagLength })
      if (algorithm.additionalData !== undefined) decipher.setAAD(bytes(algorithm.additionalData))
      decipher.setAuthTag(data.subarray(data.length - authTagLength))
      return Buffer.concat([decipher.update(data.subarray(0, data.length - authTagLength)), decipher.final()])
    }
    case 'AES-CBC': {
      const decipher = createDecipheriv(`aes-${bits}-cbc`, secret, bytes(algorithm.iv))
      return Buffer.concat([decipher.update(data), decipher.final()])
    }
    default:
      return counterMode(algorithm, secret, data)
  }
}

function gcm(bits: number): 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm' {
  return `aes-${bits}-gcm` as 'aes-256-gcm'
}

/** AES-CTR of WebCrypto counts in the last `length` bits only; OpenSSL in all 128, which is the same until they wrap. */
function counterMode({ counter, length = 128 }: Algorithm, secret: Buffer, data: Buffer): Buffer {
  const start = bytes(counter)
  const blocks = BigInt(Math.ceil(data.length / 16))
  const first = BigInt.asUintN(length, BigInt(`0x${start.toString('hex')}`))
  const room = (1n << BigInt(length)) - first
  const run = (from: Buffer, part: Buffer): Buffer => {
    const cipher = createCipheriv(`aes-${secret.length * 8}-ctr`, secret, from)
    return Buffer.concat([cipher.update(part), cipher.final()])
  }
  if (blocks <= room) return run(start, data)
  if (blocks > 1n << BigInt(length)) throw new Error('The data is too long for the length of the counter.')
  const head = Number(room) * 16
  const wrapped = BigInt(`0x${start.toString('hex')}`) - first
  const again = Buffer.from(wrapped.toString(16).padStart(32, '0'), 'hex')
  return Buffer.concat([run(start, data.subarray(0, head)), run(again, data.subarray(head))])
}

function deriveBits({ algorithm, key, length }: Args): Buffer {
  const size = length / 8
  switch (algorithm.name) {
    case 'PBKDF2':
      return pbkdf2Sync(bytes(key), bytes(algorithm.salt), algorithm.iterations ?? 0, size, hashName(algorithm))
    case 'HKDF':
      return Buffer.from(hkdfSync(hashName(algorithm), bytes(key), bytes(algorithm.salt), bytes(algorithm.info), size))
    default: {
      const shared = diffieHellman({ privateKey: privateKey(key), publicKey: publicKey(algorithm.publicKey ?? '') })
      if (size > shared.length) throw new Error('The length is more than the secret has.')
      return size === 0 ? shared : shared.subarray(0, size)
    }
  }
}

function generatePair({ name, modulusLength, publicExponent, namedCurve }: Algorithm): Buffer {
  const { publicKey: shown, privateKey: hidden } =
    name === 'Ed25519'
      ? generateKeyPairSync('ed25519')
      : name === 'X25519'
        ? generateKeyPairSync('x25519')
        : namedCurve === undefined
          ? generateKeyPairSync('rsa', { modulusLength: modulusLength ?? 0, publicExponent: publicExponent ?? 65_537 })
          : generateKeyPairSync('ec', { namedCurve })
  return asJson({ publicKey: toDer(shown), privateKey: toDer(hidden) })
}

function toDer(key: KeyObject): string {
  const der =
    key.type === 'private' ? key.export({ format: 'der', type: 'pkcs8' }) : key.export({ format: 'der', type: 'spki' })
  return der.toString('base64')
}

function asJson(value: object): Buffer {
  return Buffer.from(JSON.stringify(value), 'latin1')
}

/** An asymmetric key of any format, as its type, DER, and what its algorithm object says of it. */
function importKey({ algorithm, format, key, jwk }: Args): Buffer {
  const imported = openKey(algorithm, format, key, jwk)
  const { modulusLength, publicExponent, namedCurve } = imported.asymmetricKeyDetails ?? {}
  return asJson({
    type: imported.type,
    kind: imported.asymmetricKeyType,
    key: toDer(imported),
    modulusLength,
    publicExponent: publicExponent === undefined ? undefined : Number(publicExponent),
    namedCurve: namedCurve === undefined ? undefined : (curveNames[namedCurve] ?? namedCurve),
  })
}

/** OpenSSL's names of the curves. */
const curveNames: Readonly<Record<string, string>> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
}

function openKey(algorithm: Algorithm, format: Args['format'], key: string, jwk: Args['jwk']): KeyObject {
  switch (format) {
    case 'pkcs8':
      return privateKey(key)
    case 'spki':
      return publicKey(key)
    case 'jwk':
      return jwk['d'] === undefined
        ? createPublicKey({ key: jwk, format: 'jwk' })
        : createPrivateKey({ key: jwk, format: 'jwk' })
    case 'raw':
      return createPublicKey({ key: rawToJwk(algorithm, bytes(key)), format: 'jwk' })
  }
}

function rawToJwk({ name, namedCurve }: Algorithm, raw: Buffer): Record<string, string> {
  if (namedCurve === undefined) return { kty: 'OKP', crv: name, x: raw.toString('base64url') }
  const size = (raw.length - 1) / 2
  if (raw[0] !== 4 || !Number.isInteger(size)) throw new Error('The point must be uncompressed.')
  const x = raw.subarray(1, 1 + size).toString('base64url')
  return { kty: 'EC', crv: namedCurve, x, y: raw.subarray(1 + size).toString('base64url') }
}

function exportKey({ format, type, key }: Args): Buffer {
  const opened = type === 'private' ? privateKey(key) : publicKey(key)
  const jwk = opened.export({ format: 'jwk' })
  if (format === 'jwk') return asJson(jwk)
  const { x = '', y } = jwk as { readonly x?: string; readonly y?: string }
  const first = Buffer.from(x, 'base64url')
  return y === undefined ? first : Buffer.concat([Buffer.from([4]), first, Buffer.from(y, 'base64url')])
}
