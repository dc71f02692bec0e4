// Accounts, sessions and tokens of better-auth, whose tables are a component and whose routes are the app's HTTP actions.
import { startTestServer, type TestServer } from '@concave/testing'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { type ComponentApp, pushComponentApp } from './component-app.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

let server: TestServer
let app: ComponentApp
beforeAll(async () => {
  server = await startTestServer()
  app = await pushComponentApp(server, 'better-auth', { BETTER_AUTH_SECRET: 'a secret of at least thirty-two letters' })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const account = { email: 'ann@example.com', password: 'correct horse battery', name: 'Ann' }

type Answer = { readonly status: number; readonly body: Record<string, unknown> | null; readonly cookie: string }

async function call(path: string, options: { readonly body?: object; readonly cookie?: string } = {}): Promise<Answer> {
  const response = await fetch(`${app.siteUrl}/api/auth${path}`, {
    method: options.body === undefined ? 'GET' : 'POST',
    headers: {
      origin: app.siteUrl,
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(options.cookie === undefined ? {} : { cookie: options.cookie }),
    },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
  })
  const text = await response.text()
  const cookie = response.headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ')
  return { status: response.status, body: text === '' ? null : (JSON.parse(text) as Answer['body']), cookie }
}

/** A call of a function as the user whose token it is. */
async function callAs(token: string, kind: 'query' | 'mutation', path: string): Promise<unknown> {
  const response = await fetch(`${app.url}/api/${kind}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ path, args: {}, format: 'json' }),
  })
  const body = (await response.json()) as { status: string; value?: unknown }
  expect(body).toMatchObject({ status: 'success' })
  return body.value
}

let cookie = ''

it('signs up, and tells the app of the new user', async () => {
  const signedUp = await call('/sign-up/email', { body: account })
  expect(signedUp).toMatchObject({ status: 200, body: { user: { email: account.email, name: 'Ann' } } })
  expect(await app.query('auth:profiles')).toEqual(['Ann'])
  const again = await call('/sign-up/email', { body: account })
  expect(again.status).toBe(422)
})

it('signs in with the right password only', async () => {
  const wrong = await call('/sign-in/email', { body: { ...account, password: 'wrong horse' } })
  expect(wrong).toMatchObject({ status: 401, body: { code: 'INVALID_EMAIL_OR_PASSWORD' } })
  const right = await call('/sign-in/email', { body: account })
  expect(right).toMatchObject({ status: 200, body: { user: { email: account.email } } })
  cookie = right.cookie
  expect(cookie).toContain('session_token')
})

it('knows the session by its cookie', async () => {
  expect((await call('/get-session', { cookie })).body).toMatchObject({ user: { email: account.email } })
  expect((await call('/get-session')).body).toBe(null)
})

it('gives tokens that the deployment accepts', async () => {
  expect(await app.query('auth:currentUser')).toBe(null)
  const { status, body } = await call('/convex/token', { cookie })
  expect(status).toBe(200)
  const token = body?.['token'] as string
  expect(await callAs(token, 'query', 'auth:currentUser')).toEqual({ email: account.email, name: 'Ann' })
  await callAs(token, 'mutation', 'auth:rename')
  expect(await callAs(token, 'query', 'auth:currentUser')).toEqual({ email: account.email, name: 'Renamed' })
})

it('shows its keys and its OpenID configuration', async () => {
  const keys = (await call('/convex/jwks')).body as { keys: { kty: string }[] }
  expect(keys.keys[0]).toMatchObject({ kty: 'RSA', alg: 'RS256' })
  const response = await fetch(`${app.siteUrl}/.well-known/openid-configuration`)
  expect(await response.json()).toMatchObject({ issuer: app.siteUrl })
})

it('ends a session', async () => {
  expect(await call('/sign-out', { body: {}, cookie })).toMatchObject({ status: 200, body: { success: true } })
  expect((await call('/get-session', { cookie })).body).toBe(null)
})
