/** `crypto.subtle` against that of Node: the same program must give the same JSON in both. */
import type { webcrypto } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestContext } from '../isolate/testing/test-context.ts'
import { type ActionFixture, openActionFixture } from '../testing/action-fixture.ts'

let fixture: ActionFixture
beforeAll(async () => {
  fixture = await openActionFixture()
}, 60_000)
afterAll(async () => {
  await fixture[Symbol.asyncDispose]()
})

const helpers = `
const { subtle } = crypto
const text = (t) => new TextEncoder().encode(t)
const hex = (b) => [...new Uint8Array(b)].map((x) => x.toString(16).padStart(2, '0')).join('')
const attempt = async (run) => { try { return await run() } catch (e) { return 'threw ' + e.name } }
const secret = new Uint8Array(32).map((_, i) => i)
const iv = new Uint8Array(12).fill(7)
const block = new Uint8Array(16).fill(9)
const show = (k) => [k.type, k.extractable, k.algorithm.name, k.algorithm.hash?.name ?? null, k.algorithm.length ?? null, k.algorithm.namedCurve ?? null, [...k.usages].sort()]
`

const programs: Readonly<Record<string, string>> = {
  digests: `return await Promise.all(['SHA-1', 'sha-256', { name: 'SHA-384' }, 'SHA-512'].map(async (h) => hex(await subtle.digest(h, text('abc')))))`,
  'signs and verifies with HMAC': `
    const key = await subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])
    const signature = await subtle.sign('HMAC', key, text('message'))
    return [show(key), hex(signature), await subtle.verify('HMAC', key, signature, text('message')), await subtle.verify('HMAC', key, signature, text('other')), await subtle.verify('HMAC', key, new Uint8Array(3), text('message'))]`,
  'encrypts with AES-GCM': `
    const key = await subtle.importKey('raw', secret, 'AES-GCM', false, ['encrypt', 'decrypt'])
    const algorithm = { name: 'AES-GCM', iv, additionalData: text('more'), tagLength: 96 }
    const sealed = await subtle.encrypt(algorithm, key, text('plain'))
    const broken = new Uint8Array(sealed).slice(); broken[0] ^= 1
    return [hex(sealed), hex(await subtle.decrypt(algorithm, key, sealed)), await attempt(() => subtle.decrypt(algorithm, key, broken)), await attempt(() => subtle.decrypt(algorithm, key, new Uint8Array(2)))]`,
  'encrypts with AES-CBC and AES-CTR': `
    const cbc = await subtle.importKey('raw', secret.slice(0, 16), 'AES-CBC', false, ['encrypt', 'decrypt'])
    const ctr = await subtle.importKey('raw', secret, 'AES-CTR', false, ['encrypt', 'decrypt'])
    const sealed = await subtle.encrypt({ name: 'AES-CBC', iv: block }, cbc, text('some text longer than a block'))
    const end = new Uint8Array(16).fill(255)
    return [hex(sealed), hex(await subtle.decrypt({ name: 'AES-CBC', iv: block }, cbc, sealed)),
      hex(await subtle.encrypt({ name: 'AES-CTR', counter: block, length: 64 }, ctr, new Uint8Array(50))),
      hex(await subtle.encrypt({ name: 'AES-CTR', counter: end, length: 8 }, ctr, new Uint8Array(50))),
      hex(await subtle.encrypt({ name: 'AES-CTR', counter: end, length: 128 }, ctr, new Uint8Array(50)))]`,
  'derives with PBKDF2 and HKDF': `
    const password = await subtle.importKey('raw', text('password'), 'PBKDF2', false, ['deriveBits', 'deriveKey'])
    const input = await subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits', 'deriveKey'])
    const pbkdf2 = { name: 'PBKDF2', hash: 'SHA-256', salt: text('salt'), iterations: 1000 }
    const hkdf = { name: 'HKDF', hash: 'SHA-512', salt: text('salt'), info: text('info') }
    const aes = await subtle.deriveKey(pbkdf2, password, { name: 'AES-GCM', length: 256 }, true, ['encrypt'])
    const hmac = await subtle.deriveKey(hkdf, input, { name: 'HMAC', hash: 'SHA-256' }, true, ['sign'])
    return [hex(await subtle.deriveBits(pbkdf2, password, 256)), hex(await subtle.deriveBits(hkdf, input, 128)), show(aes), hex(await subtle.exportKey('raw', aes)), show(hmac), hex(await subtle.exportKey('raw', hmac)), await attempt(() => subtle.deriveBits(pbkdf2, password, 7))]`,
  'exports and imports secrets as JWK': `
    const key = await subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-512' }, true, ['sign'])
    const jwk = await subtle.exportKey('jwk', key)
    const again = await subtle.importKey('jwk', jwk, { name: 'HMAC', hash: 'SHA-512' }, true, ['sign'])
    const aes = await subtle.exportKey('jwk', await subtle.importKey('raw', secret, 'AES-GCM', true, ['encrypt']))
    return [jwk, hex(await subtle.exportKey('raw', again)), aes]`,
  'signs with RSA': `
    const seen = []
    for (const [name, rest] of [['RSASSA-PKCS1-v1_5', {}], ['RSA-PSS', { saltLength: 32 }]]) {
      const pair = await subtle.generateKey({ name, modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }, true, ['sign', 'verify'])
      const signature = await subtle.sign({ name, ...rest }, pair.privateKey, text('m'))
      const der = await subtle.exportKey('pkcs8', pair.privateKey)
      const again = await subtle.importKey('pkcs8', der, { name, hash: 'SHA-256' }, false, ['sign'])
      const jwk = await subtle.exportKey('jwk', pair.publicKey)
      const shown = await subtle.importKey('jwk', jwk, { name, hash: 'SHA-256' }, true, ['verify'])
      const second = await subtle.sign({ name, ...rest }, again, text('m'))
      seen.push(show(pair.privateKey), show(pair.publicKey), show(again), signature.byteLength, jwk.alg, jwk.kty, jwk.e, [...shown.algorithm.publicExponent], shown.algorithm.modulusLength,
        await subtle.verify({ name, ...rest }, shown, signature, text('m')), await subtle.verify({ name, ...rest }, shown, second, text('m')), await subtle.verify({ name, ...rest }, shown, signature, text('n')))
    }
    return seen`,
  'encrypts with RSA-OAEP': `
    const pair = await subtle.generateKey({ name: 'RSA-OAEP', modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-1' }, false, ['encrypt', 'decrypt'])
    const algorithm = { name: 'RSA-OAEP', label: text('l') }
    const sealed = await subtle.encrypt(algorithm, pair.publicKey, text('small'))
    return [sealed.byteLength, hex(await subtle.decrypt(algorithm, pair.privateKey, sealed)), await attempt(() => subtle.decrypt({ name: 'RSA-OAEP' }, pair.privateKey, sealed)), await attempt(() => subtle.exportKey('pkcs8', pair.privateKey)), pair.publicKey.extractable]`,
  'signs with ECDSA': `
    const seen = []
    for (const namedCurve of ['P-256', 'P-384', 'P-521']) {
      const pair = await subtle.generateKey({ name: 'ECDSA', namedCurve }, true, ['sign', 'verify'])
      const algorithm = { name: 'ECDSA', hash: 'SHA-256' }
      const signature = await subtle.sign(algorithm, pair.privateKey, text('m'))
      const raw = await subtle.exportKey('raw', pair.publicKey)
      const shown = await subtle.importKey('raw', raw, { name: 'ECDSA', namedCurve }, true, ['verify'])
      const { kty, crv, key_ops, ext } = await subtle.exportKey('jwk', pair.privateKey)
      const spki = await subtle.importKey('spki', await subtle.exportKey('spki', pair.publicKey), { name: 'ECDSA', namedCurve }, true, ['verify'])
      seen.push(show(pair.privateKey), signature.byteLength, raw.byteLength, kty, crv, key_ops, ext, await subtle.verify(algorithm, shown, signature, text('m')), await subtle.verify(algorithm, spki, signature, text('n')))
    }
    return seen`,
  'agrees on a secret with ECDH': `
    const a = await subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, false, ['deriveBits', 'deriveKey'])
    const b = await subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, false, ['deriveBits'])
    const x = await subtle.deriveBits({ name: 'ECDH', public: b.publicKey }, a.privateKey, 256)
    const y = await subtle.deriveBits({ name: 'ECDH', public: a.publicKey }, b.privateKey, null)
    const key = await subtle.deriveKey({ name: 'ECDH', public: b.publicKey }, a.privateKey, { name: 'AES-GCM', length: 128 }, true, ['encrypt'])
    return [hex(x) === hex(y), show(a.privateKey), show(a.publicKey), hex(await subtle.exportKey('raw', key)) === hex(x).slice(0, 32)]`,
  'signs with Ed25519': `
    const pair = await subtle.generateKey('Ed25519', true, ['sign', 'verify'])
    const signature = await subtle.sign('Ed25519', pair.privateKey, text('m'))
    const raw = await subtle.exportKey('raw', pair.publicKey)
    const shown = await subtle.importKey('raw', raw, 'Ed25519', true, ['verify'])
    const { kty, crv } = await subtle.exportKey('jwk', shown)
    return [show(pair.privateKey), signature.byteLength, raw.byteLength, kty, crv, await subtle.verify('Ed25519', shown, signature, text('m')), await subtle.verify('Ed25519', shown, signature, text('n'))]`,
  'refuses what is not allowed': `
    const key = await subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
    return [await attempt(() => subtle.sign('HMAC', key, text('m'))), await attempt(() => subtle.exportKey('raw', key)), await attempt(() => subtle.encrypt({ name: 'AES-GCM', iv }, key, text('m'))),
      await attempt(() => subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['encrypt'])), await attempt(() => subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, [])),
      await attempt(() => subtle.importKey('raw', secret.slice(3), 'AES-GCM', false, ['encrypt'])), await attempt(() => subtle.importKey('pkcs8', secret, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])),
      await attempt(() => subtle.digest('MD5', text('m'))), await attempt(() => subtle.generateKey('NOPE', true, ['sign'])), await attempt(() => subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-1' }, true, ['sign'])),
      await attempt(() => new CryptoKey()), await attempt(() => subtle.digest('SHA-256', 'text'))]`,
}

/** Keys and signatures that were made elsewhere, as JSON. */
async function makeSigned(): Promise<string> {
  const base64 = (bytes: ArrayBuffer): string => Buffer.from(bytes).toString('base64')
  const message = new TextEncoder().encode('m')
  const { subtle } = crypto
  const rsa = { modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }
  const algorithms = [
    { name: 'RSASSA-PKCS1-v1_5', ...rsa },
    { name: 'RSA-PSS', ...rsa, saltLength: 32 },
    { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
    { name: 'Ed25519' },
  ]
  const signed = algorithms.map(async (algorithm) => {
    const pair = (await subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
    const signature = base64(await subtle.sign(algorithm, pair.privateKey, message))
    const spki = base64(await subtle.exportKey('spki', pair.publicKey))
    const pkcs8 = base64(await subtle.exportKey('pkcs8', pair.privateKey))
    return { algorithm: { ...algorithm, publicExponent: undefined }, spki, pkcs8, signature }
  })
  const oaep = { name: 'RSA-OAEP', ...rsa }
  const pair = (await subtle.generateKey(oaep, true, ['encrypt', 'decrypt'])) as webcrypto.CryptoKeyPair
  const sealed = base64(await subtle.encrypt(oaep, pair.publicKey, message))
  const sealedFor = {
    algorithm: { name: 'RSA-OAEP', hash: 'SHA-256' },
    pkcs8: base64(await subtle.exportKey('pkcs8', pair.privateKey)),
    sealed,
  }
  return JSON.stringify({ signed: await Promise.all(signed), sealedFor })
}

/** What needs no randomness. `given`: from `makeSigned`. */
const verifying = `
  const bytes = (t) => Uint8Array.from(atob(t), (c) => c.charCodeAt(0))
  const seen = []
  for (const { algorithm, spki, pkcs8, signature } of given.signed) {
    const key = await subtle.importKey('spki', bytes(spki), algorithm, true, ['verify'])
    const jwk = await subtle.exportKey('jwk', key)
    const again = await subtle.importKey('jwk', jwk, algorithm, true, ['verify'])
    for (const k of [key, again]) seen.push(show(k), await subtle.verify(algorithm, k, bytes(signature), text('m')), await subtle.verify(algorithm, k, bytes(signature), text('n')))
    if (algorithm.name === 'Ed25519') seen.push(hex(await subtle.sign(algorithm, await subtle.importKey('pkcs8', bytes(pkcs8), algorithm, false, ['sign']), text('m'))))
  }
  const { algorithm, pkcs8, sealed } = given.sealedFor
  seen.push(hex(await subtle.decrypt(algorithm, await subtle.importKey('pkcs8', bytes(pkcs8), algorithm, false, ['decrypt']), bytes(sealed))))
  return seen`

async function runInNode(body: string): Promise<unknown> {
  const AsyncFunction = (async () => {}).constructor as new (body: string) => () => Promise<unknown>
  return JSON.parse(JSON.stringify(await new AsyncFunction(body)()))
}

describe('an action', () => {
  test.each(Object.entries(programs))('%s', async (_name, body) => {
    expect(await fixture.run(`{ ${helpers} ${body} }`)).toEqual(await runInNode(helpers + body))
  })
})

describe('a query', () => {
  const withoutRandomness = Object.entries(programs).filter(([, body]) => !body.includes('generateKey('))

  test.each(withoutRandomness)('%s', async (_name, body) => {
    const context = await TestContext.create()
    expect(await context.run(`(async () => { ${helpers} ${body} })()`)).toEqual(await runInNode(helpers + body))
  })

  test('verifies and decrypts what others have made', async () => {
    const body = `const given = ${await makeSigned()}; ${helpers} ${verifying}`
    const context = await TestContext.create()
    expect(await context.run(`(async () => { ${body} })()`)).toEqual(await runInNode(body))
  })

  test.each([
    'subtle.generateKey("Ed25519", true, ["sign"])',
    'subtle.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"])',
    ...['RSASSA-PKCS1-v1_5', 'RSA-PSS', 'ECDSA'].map(
      (name) =>
        `((s) => subtle.importKey('pkcs8', bytes(s.pkcs8), s.algorithm, false, ['sign']).then((key) => subtle.sign(s.algorithm, key, text('m'))))(given.signed.find((s) => s.algorithm.name === '${name}'))`,
    ),
  ])('has no randomness for %s', async (expression) => {
    const context = await TestContext.create()
    const prelude = `const given = ${await makeSigned()}; ${helpers}; const bytes = (t) => Uint8Array.from(atob(t), (c) => c.charCodeAt(0))`
    for (const udfType of ['query', 'mutation'] as const)
      await expect(
        context.run(`(async () => { ${prelude}; return await ${expression} })()`, { udfType }),
      ).rejects.toThrow(
        "Can't use cryptographic randomness in queries and mutations. Please consider using an action. See https://docs.convex.dev/functions/actions for more details.",
      )
  })
})

describe('what is missing ends the function, although it catches the error', () => {
  const hint = 'Consider calling an action defined in Node.js instead (https://docs.convex.dev/functions/actions).'

  test.each([
    ['crypto.subtle.wrapKey()', 'wrapKey'],
    ['crypto.subtle.unwrapKey()', 'unwrapKey'],
    ['crypto.subtle.generateKey({ name: "AES-KW", length: 128 }, true, ["wrapKey"])', 'AES-KW'],
  ])('%s', async (expression, what) => {
    const body = `try { await ${expression} } catch {} return 'went on'`
    expect(await fixture.run(body)).toContain(`Uncaught Error: Not implemented: ${what} for crypto.subtle. ${hint}`)
    const context = await TestContext.create()
    context.load(`export const run = { isQuery: true, isPublic: true, invokeQuery: async () => { ${body} } }`)
    const { settled } = context.invoke('run')
    expect(settled?.[0]).toBe(false)
    expect(JSON.parse(settled?.[1] ?? '')).toMatchObject({
      message: `Uncaught Error: Not implemented: ${what} for crypto.subtle. ${hint}`,
    })
  })
})
