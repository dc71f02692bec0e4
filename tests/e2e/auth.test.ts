// Users who sign in: auth.config through the official CLI, tokens of a loopback OpenID provider through both clients.
import type { webcrypto } from 'node:crypto'
import {
  createProject,
  deployKeyAccess,
  openAppFolder,
  openCli,
  startTestServer,
  type AppFolder,
  type Cli,
  type TestProject,
  type TestServer,
  waitFor,
} from '@concave/testing'
import { ConvexClient, ConvexHttpClient } from 'convex/browser'
import { makeFunctionReference } from 'convex/server'
import type { ConvexError } from 'convex/values'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { fixtureFolder } from './fixtures.ts'
import { post } from './http-calls.ts'
import { type OidcIssuer, startOidcIssuer } from './oidc-issuer.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 })

const notes = {
  whoami: makeFunctionReference<'query'>('notes:whoami'),
  mine: makeFunctionReference<'query'>('notes:mine'),
  write: makeFunctionReference<'mutation'>('notes:write'),
  token: makeFunctionReference<'mutation'>('notes:token'),
}

let issuer: OidcIssuer
let server: TestServer
let project: TestProject
let app: AppFolder
let cli: Cli
const push = ['dev', '--once', '--typecheck', 'disable']

beforeAll(async () => {
  issuer = await startOidcIssuer()
  server = await startTestServer()
  project = await createProject(server, { name: 'Auth' })
  app = await openAppFolder({ from: fixtureFolder('auth') })
  cli = await openCli(app, deployKeyAccess(server, project.deployKey))
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await issuer[Symbol.asyncDispose]()
})

function httpClient(token?: string): ConvexHttpClient {
  const client = new ConvexHttpClient(project.deploymentUrl, { logger: false })
  if (token !== undefined) client.setAuth(token)
  return client
}

async function until(what: string, holds: () => boolean): Promise<void> {
  await waitFor(what, () => (holds() ? true : undefined))
}

describe('a push with auth.config', () => {
  it('says which environment variable is missing', async () => {
    const refused = await cli.run(...push)
    expect(refused.exitCode).not.toBe(0)
    expect(refused.stderr).toContain(
      'Environment variable ISSUER is used in auth config file but its value was not set',
    )
    expect(refused.stderr).toMatch(/npx convex env set .*ISSUER/)
  })

  it('goes live while `convex dev` watches, as soon as the variable is set', async () => {
    const dev = cli.start('dev', '--typecheck', 'disable')
    try {
      const [told] = await dev.waitForOutput(/Environment variable \w+ is used in auth config file/)
      expect(told).toContain('ISSUER')
      await cli.succeed('env', 'set', 'ISSUER', issuer.url)
      await dev.waitForOutput(/Convex functions ready!/)
    } finally {
      await dev.stop()
    }
  })
})

describe('a user over HTTP', () => {
  it('is who the token says', async () => {
    const claims = { sub: 'ada', given_name: 'Ada', role: 'owner' }
    expect(await httpClient(issuer.token(claims)).query(notes.whoami, {})).toEqual({
      tokenIdentifier: `${issuer.url}|ada`,
      issuer: issuer.url,
      subject: 'ada',
      givenName: 'Ada',
      role: 'owner',
    })
    expect(await httpClient(issuer.customToken({ ...claims, org: { id: 'o' } })).query(notes.whoami, {})).toEqual({
      tokenIdentifier: `${issuer.url}/custom|ada`,
      issuer: `${issuer.url}/custom`,
      subject: 'ada',
      given_name: 'Ada',
      role: 'owner',
      'org.id': 'o',
    })
    expect(await httpClient().query(notes.whoami, {})).toBeNull()
  })

  it('is told to functions by the token itself, of a session as of a request', async () => {
    const token = issuer.token({ sub: 'ada' })
    expect(await httpClient(token).mutation(notes.token, {})).toEqual({ own: token, nested: token })
    expect(await httpClient().mutation(notes.token, {})).toEqual({ own: null, nested: null })
    const admin = { path: 'notes:token', args: {}, format: 'json' }
    const answer = await post(project.deploymentUrl, '/api/mutation', admin, { key: project.deployKey })
    expect(answer.body.value).toEqual({ own: null, nested: null })
    const live = new ConvexClient(project.deploymentUrl, { logger: false })
    live.setAuth(async () => token)
    expect(await live.mutation(notes.token, {})).toEqual({ own: token, nested: token })
    await live.close()
  })

  it('gets the results of nobody else', async () => {
    const [ada, bob] = ['ada', 'bob'].map((sub) => httpClient(issuer.token({ sub }))) as [
      ConvexHttpClient,
      ConvexHttpClient,
    ]
    await ada.mutation(notes.write, { text: 'of ada' })
    expect(await ada.query(notes.mine, {})).toEqual(['of ada'])
    expect(await bob.query(notes.mine, {})).toEqual([])
    expect(await httpClient().query(notes.mine, {})).toBeNull()
    await expect(httpClient().mutation(notes.write, { text: 'of nobody' })).rejects.toThrow('Not signed in')
  })

  it.each([
    ['no JWT', () => 'nonsense', 'InvalidAuthHeader'],
    ['of another application', () => issuer.token({ sub: 'ada', aud: 'other' }), 'NoAuthProvider'],
    ['that has expired', () => issuer.token({ sub: 'ada', exp: Math.floor(Date.now() / 1000) - 1 }), 'TokenExpired'],
    ['with another signature', () => issuer.token({ sub: 'ada' }).replace(/.{10}$/, 'AAAAAAAAAA'), 'Unauthenticated'],
  ])('with a token %s is refused with 401', async (_what, token, code) => {
    for (const path of ['query', 'mutation', 'action', 'run/notes/mine']) {
      const response = await fetch(`${project.deploymentUrl}/api/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token()}` },
        body: JSON.stringify({ path: 'notes:mine', args: {}, format: 'json' }),
      })
      expect(response.status).toBe(401)
      expect(await response.json()).toMatchObject({ code, message: expect.any(String) })
    }
  })

  it('has asked the provider for its keys only once', () => {
    const asked = issuer.requests.filter((path) => path === '/keys')
    // Once by discovery, once by the custom provider.
    expect(asked).toHaveLength(2)
  })
})

describe('a user with a live client', () => {
  function open(): { readonly client: ConvexClient; readonly changes: boolean[]; readonly results: unknown[] } {
    const client = new ConvexClient(project.deploymentUrl, { webSocketConstructor: WebSocket, logger: false })
    onTestFinished(async () => await client.close())
    const results: unknown[] = []
    client.onUpdate(notes.mine, {}, (result) => results.push(result))
    return { client, changes: [], results }
  }

  it('signs in, sees own notes only, signs out', async () => {
    const { client, changes, results } = open()
    const sub = 'live-ada'
    const forced: boolean[] = []
    const fetchToken = async ({ forceRefreshToken }: { forceRefreshToken: boolean }) => {
      forced.push(forceRefreshToken)
      return issuer.token({ sub, jti: String(forced.length) })
    }
    client.setAuth(fetchToken, (isAuthenticated) => changes.push(isAuthenticated))
    await until('the sign-in', () => changes.includes(true) && forced.includes(true))
    await until('the first result', () => Array.isArray(results.at(-1)))
    await client.mutation(notes.write, { text: 'live' })
    await httpClient(issuer.token({ sub: 'live-bob' })).mutation(notes.write, { text: 'of bob' })
    await until('the own note', () => JSON.stringify(results.at(-1)) === '["live"]')
    expect(changes).not.toContain(false)
    client.client.clearAuth()
    await until('the result of nobody', () => results.at(-1) === null)
    await expect(client.mutation(notes.write, { text: 'after' })).rejects.toThrow('Not signed in')
  })

  it('becomes another user on the same socket', async () => {
    const { client, results } = open()
    for (const sub of ['one', 'two']) {
      const text = `of ${sub}`
      const changes: boolean[] = []
      client.setAuth(
        async () => issuer.token({ sub }),
        (isAuthenticated) => changes.push(isAuthenticated),
      )
      await until('the sign-in', () => changes.includes(true))
      await client.mutation(notes.write, { text })
      await until('the own note', () => JSON.stringify(results.at(-1)) === JSON.stringify([text]))
    }
    expect(client.connectionState().connectionCount).toBe(1)
  })

  it('is told that a token was refused, and goes on signed out', async () => {
    const { client, changes, results } = open()
    client.setAuth(
      async () => issuer.token({ sub: 'eve', aud: 'other' }),
      (isAuthenticated) => changes.push(isAuthenticated),
    )
    await until('the refusal', () => changes.includes(false))
    await until('the result of nobody', () => results.at(-1) === null)
    expect(changes).toEqual([false])
  })
})

describe('a session', () => {
  type Message = { readonly type: string; readonly [field: string]: unknown }

  /** Speaks the protocol itself: the clients would renew the token long before it expires. */
  async function connect(): Promise<{
    readonly received: Message[]
    readonly send: (message: object) => void
    readonly isClosed: () => boolean
  }> {
    const socket = new WebSocket(`${project.deploymentUrl.replace('http', 'ws')}/api/1.48.0/sync`)
    onTestFinished(() => socket.close())
    const received: Message[] = []
    let isClosed = false
    socket.addEventListener('message', ({ data }) => received.push(JSON.parse(String(data)) as Message))
    socket.addEventListener('close', () => (isClosed = true))
    await new Promise((resolve) => socket.addEventListener('open', resolve))
    const send = (message: object) => socket.send(JSON.stringify(message))
    send({ type: 'Connect', sessionId: crypto.randomUUID(), connectionCount: 0, lastCloseReason: 'InitialConnect' })
    return { received, send, isClosed: () => isClosed }
  }
  const watchMine = {
    type: 'ModifyQuerySet',
    baseVersion: 0,
    newVersion: 1,
    modifications: [{ type: 'Add', queryId: 0, udfPath: 'notes:mine', args: [{}] }],
  }
  const whoever = (value: string, baseVersion = 0) => ({ type: 'Authenticate', baseVersion, tokenType: 'User', value })

  it('ends when its token has expired', async () => {
    const exp = Math.ceil(Date.now() / 1000) + 2
    const { received, send, isClosed } = await connect()
    send(whoever(issuer.token({ sub: 'short', exp })))
    send(watchMine)
    await until('a transition', () => received.some(({ type }) => type === 'Transition'))
    await until('the end of the token', () => Date.now() >= exp * 1000)
    send({ type: 'Mutation', requestId: 0, udfPath: 'notes:write', args: [{ text: 'late' }] })
    await until('the end of the connection', isClosed)
    expect(received.at(-1)).toEqual({
      type: 'AuthError',
      error: 'Convex token identity expired',
      baseVersion: 1,
      authUpdateAttempted: false,
    })
    expect(await httpClient(issuer.token({ sub: 'short' })).query(notes.mine, {})).toEqual([])
  })

  it('sends nothing again for a fresh token of the same user', async () => {
    const { received, send } = await connect()
    send(whoever(issuer.token({ sub: 'same', jti: '1' })))
    send(watchMine)
    await until('a transition', () => received.some(({ type }) => type === 'Transition'))
    send(whoever(issuer.token({ sub: 'same', jti: '2', exp: Math.floor(Date.now() / 1000) + 600 }), 1))
    await until('another transition', () => received.filter(({ type }) => type === 'Transition').length > 1)
    expect(received.at(-1)).toMatchObject({ endVersion: { identity: 2 }, modifications: [] })
  })

  it('whose token is refused is told why', async () => {
    const { received, send, isClosed } = await connect()
    send(whoever(issuer.token({ sub: 'x', iss: 'https://other.test' })))
    await until('the end of the connection', isClosed)
    expect(received).toEqual([
      {
        type: 'AuthError',
        error: expect.stringContaining('No auth provider found matching the given token.'),
        baseVersion: 0,
        authUpdateAttempted: true,
      },
    ])
  })
})

describe('an admin', () => {
  it('acts as a user through `convex run --identity`', async () => {
    const { stdout } = await cli.succeed('run', 'notes:whoami', '--identity', '{"name":"Test","role":"owner"}')
    expect(JSON.parse(stdout)).toMatchObject({ issuer: 'https://convex.test', name: 'Test', role: 'owner' })
  })

  it('acts as a user by the header', async () => {
    const client = httpClient()
    ;(client as unknown as { setAdminAuth(key: string, identity: object): void }).setAdminAuth(project.deployKey, {
      issuer: issuer.url,
      subject: 'ada',
    })
    expect(await client.query(notes.mine, {})).toEqual(['of ada'])
  })

  it('is nobody to user code otherwise', async () => {
    const answer = await post(
      project.deploymentUrl,
      '/api/query',
      { path: 'notes:mine', args: {} },
      { key: project.deployKey },
    )
    expect(answer.body).toEqual({ status: 'success', value: null })
  })
})

describe('a deployment that issues tokens', () => {
  const sign = makeFunctionReference<'mutation'>('notes:sign')

  it('keeps its key although the mutation that used it first fails', async () => {
    const failed = httpClient().mutation(makeFunctionReference<'mutation'>('notes:signAndFail'), {})
    const { data } = (await failed.catch((error: unknown) => error)) as ConvexError<string>
    expect(await httpClient(data).query(notes.whoami, {})).toMatchObject({ subject: 'first' })
  })

  it('takes them as its own issuer, and shows its keys to others', async () => {
    const token = await httpClient().mutation(sign, { claims: { sub: 'signed', role: 'guest' }, seconds: 60 })
    expect(await httpClient(token).query(notes.whoami, {})).toEqual({
      tokenIdentifier: `${project.deploymentUrl}|signed`,
      issuer: project.deploymentUrl,
      subject: 'signed',
      role: 'guest',
    })
    const [header = '', payload = '', signature = ''] = (token as string).split('.')
    const { alg, kid } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { alg: string; kid: string }
    expect(alg).toBe('ES256')
    const { keys } = (await (await fetch(`${project.deploymentUrl}/.well-known/jwks.json`)).json()) as {
      keys: webcrypto.JsonWebKey[]
    }
    const jwk = keys.find((key) => 'kid' in key && key.kid === kid)
    expect(jwk).not.toHaveProperty('d')
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
    const key = await crypto.subtle.importKey('jwk', jwk!, algorithm, false, ['verify'])
    const signed = Buffer.from(`${header}.${payload}`)
    expect(await crypto.subtle.verify(algorithm, key, Buffer.from(signature, 'base64url'), signed)).toBe(true)
  })

  it.each([
    ['a reserved claim', { claims: { iss: 'me' }, seconds: 60 }, 'the claim `iss` is reserved'],
    ['a reserved prefix', { claims: { ConvexRole: 'me' }, seconds: 60 }, 'the claim `ConvexRole` is reserved'],
    ['no lifetime', { claims: {}, seconds: 0 }, '`expiresInSeconds` must be a whole number from 1 to 3600'],
    ['too long a life', { claims: {}, seconds: 3601 }, '`expiresInSeconds` must be a whole number from 1 to 3600'],
    ['very long claims', { claims: { x: 'x'.repeat(20_000) }, seconds: 60 }, '`claims` are longer than'],
  ])('refuses to sign with %s', async (_what, args, says) => {
    await expect(httpClient().mutation(sign, args)).rejects.toThrow(says)
  })
})

describe('a configuration that changes', () => {
  it('is evaluated again when its environment variable does', async () => {
    const token = issuer.token({ sub: 'ada' })
    await cli.succeed('env', 'set', 'ISSUER', 'https://other.test')
    await expect(httpClient(token).query(notes.whoami, {})).rejects.toThrow('OIDC(domain=https://other.test')
    const refused = await cli.run('env', 'remove', 'ISSUER')
    expect(refused.exitCode).not.toBe(0)
    expect(refused.stderr).toContain('Environment variable ISSUER is used in auth config file')
    await cli.succeed('env', 'set', 'ISSUER', issuer.url)
    expect(await httpClient(token).query(notes.whoami, {})).toMatchObject({ subject: 'ada' })
  })

  it('survives a provider that is down: clients are sent away for a while, not signed out', async () => {
    await using other = await startOidcIssuer()
    other.failure = 500
    await cli.succeed('env', 'set', 'ISSUER', other.url)
    const token = other.token({ sub: 'ada' })
    const refused = await fetch(`${project.deploymentUrl}/api/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ path: 'notes:whoami', args: {} }),
    })
    expect(refused.status).toBe(503)
    expect(await refused.json()).toMatchObject({ code: 'AuthProviderDiscoveryFailed' })
    const socket = new WebSocket(`${project.deploymentUrl.replace('http', 'ws')}/api/1.48.0/sync`)
    const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener('close', resolve))
    await new Promise((resolve) => socket.addEventListener('open', resolve))
    socket.send(JSON.stringify({ type: 'Authenticate', baseVersion: 0, tokenType: 'User', value: token }))
    expect(await closed).toMatchObject({ code: 1013, reason: 'AuthProviderDiscoveryFailed' })
    other.failure = undefined
    await waitFor('the provider', async () => {
      const answer = await httpClient(token)
        .query(notes.whoami, {})
        .catch(() => undefined)
      return answer === undefined ? undefined : answer.subject
    })
    await cli.succeed('env', 'set', 'ISSUER', issuer.url)
  })

  it('is refused where it is wrong, and what is live stays', async () => {
    await app.write({
      'convex/auth.config.ts': 'export default { providers: [{ domain: "ftp://a", applicationID: "x" }] }',
    })
    const refused = await cli.run(...push)
    expect(refused.stderr).toContain('InvalidProviderDomainUrl')
    expect(await httpClient(issuer.token({ sub: 'ada' })).query(notes.whoami, {})).toMatchObject({ subject: 'ada' })
  })

  it('is gone when the file is', async () => {
    await app.remove('convex/auth.config.ts')
    const { stderr } = await cli.succeed(...push, '--verbose')
    expect(stderr).toMatch(/"authDiff": \{\s+"added": \[\],\s+"removed": \[\s+"\{\\"applicationID/)
    const refused = httpClient(issuer.token({ sub: 'ada' })).query(notes.whoami, {})
    await expect(refused).rejects.toThrow('This deployment has no auth providers configured')
  })
})
