import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { KeysChanged } from './access-tokens.ts'
import { openTestControlPlane, type CreatedProject, type TestControlPlane } from './control-plane-fixture.ts'

let plane: TestControlPlane
let project: CreatedProject
let personal: string
beforeEach(async () => {
  plane = await openTestControlPlane()
  project = await plane.createProject()
  personal = await plane.controlPlane.createPersonalAccessToken({ memberId: plane.first.memberId, name: 'me' })
})
afterEach(async () => {
  await plane[Symbol.asyncDispose]()
})

type Kind = {
  readonly kind: string
  readonly create: string
  readonly list: string
  readonly delete: string
  readonly rotate: string
  readonly field: string
  readonly form: RegExp
}

/** Path templates, as the tests fill them in; the field that holds the secret; how it is printed. */
const kinds: readonly Kind[] = [
  {
    kind: 'deploy',
    create: '/deployments/DEPLOYMENT/create_deploy_key',
    list: '/deployments/DEPLOYMENT/list_deploy_keys',
    delete: '/deployments/DEPLOYMENT/delete_deploy_key',
    rotate: '/deployments/DEPLOYMENT/rotate_deploy_key',
    field: 'deployKey',
    form: /^dev:[a-z]+-[a-z]+-\d+\|eyJ2MiI6I\w+$/,
  },
  {
    kind: 'preview',
    create: '/projects/PROJECT/create_preview_deploy_key',
    list: '/projects/PROJECT/list_preview_deploy_keys',
    delete: '/projects/PROJECT/delete_preview_deploy_key',
    rotate: '/projects/PROJECT/rotate_preview_deploy_key',
    field: 'previewDeployKey',
    form: /^preview:my-team:shop\|eyJ2MiI6I\w+$/,
  },
  {
    kind: 'team',
    create: '/teams/my-team/create_access_token',
    list: '/teams/my-team/list_access_tokens',
    delete: '/teams/my-team/delete_access_token',
    rotate: '/teams/my-team/rotate_access_token',
    field: 'accessToken',
    form: /^eyJ2MiI6I\w+$/,
  },
  {
    kind: 'personal',
    create: '/create_personal_access_token',
    list: '/list_personal_access_tokens',
    delete: '/delete_personal_access_token',
    rotate: '/rotate_personal_access_token',
    field: 'accessToken',
    form: /^eyJ2MiI6I\w+$/,
  },
]

const fill = (path: string): string =>
  `/v1${path.replace('DEPLOYMENT', project.deploymentName).replace('PROJECT', String(project.id))}`

const post = async (path: string, body: object, headers: Readonly<Record<string, string>> = {}) =>
  await plane.call('POST', fill(path), { body, token: personal, headers })

async function create(kind: Kind, body: object = { name: 'mine' }): Promise<string> {
  const answer = await post(kind.create, body)
  expect(answer.status).toBe(kind.kind === 'team' ? 201 : 200)
  return (answer.body as Readonly<Record<string, string>>)[kind.field] ?? ''
}

type Listed = {
  readonly id: number
  readonly name: string
  readonly lastUsedTime: number | null
  readonly expiresAt: number | null
}

async function list({ list: path }: Kind): Promise<readonly Listed[]> {
  const { body } = await plane.call('GET', fill(path), { token: personal })
  const all = (Array.isArray(body) ? body : (body as { items: unknown }).items) as readonly Listed[]
  return all.filter(({ name }) => name === 'mine')
}

const isGood = async (token: string): Promise<boolean> => {
  const { status } = await plane.call('HEAD', '/api/authorize', { token })
  expect([200, 401]).toContain(status)
  return status === 200
}

describe.each(kinds)('a $kind key', (kind) => {
  it('is printed once, listed without its secret, and ends when it is deleted', async () => {
    const key = await create(kind)
    expect(key).toMatch(kind.form)
    expect(await isGood(key)).toBe(true)
    const [listed, ...others] = await list(kind)
    expect(others).toEqual([])
    expect(listed).toMatchObject({ name: 'mine', lastUsedTime: plane.clock.nowMs() })
    expect(JSON.stringify(listed)).not.toContain(key.slice(-20))
    expect(await post(kind.delete, { id: 'mine' })).toMatchObject({ status: 200, text: '' })
    expect(await isGood(key)).toBe(false)
    expect((await post(kind.delete, { id: 'mine' })).status).toBe(404)
  })

  it('is found by the whole key, its secret and its number', async () => {
    const keys = [await create(kind), await create(kind), await create(kind)]
    expect(await post(kind.delete, { id: 'mine' })).toMatchObject({
      status: 409,
      body: { code: expect.stringMatching(/^Ambiguous/), message: expect.not.stringContaining('mine') },
    })
    const bySecret = keys[1]?.split('|').at(-1) ?? ''
    for (const id of [keys[0] ?? '', bySecret]) expect((await post(kind.delete, { id })).status).toBe(200)
    expect(await Promise.all(keys.map(isGood))).toEqual([false, false, true])
    const [last] = await list(kind)
    expect((await post(kind.delete, { id: String(last?.id) })).status).toBe(200)
    expect(await list(kind)).toEqual([])
  })

  it('expires', async () => {
    const expiresAt = plane.clock.nowMs() + 30 * 60_000
    const key = await create(kind, { name: 'mine', expiresAt })
    expect(await list(kind)).toMatchObject([{ expiresAt }])
    plane.clock.timeMs = expiresAt - 1
    expect(await isGood(key)).toBe(true)
    plane.clock.timeMs = expiresAt
    expect(await isGood(key)).toBe(false)
    for (const expiresAt of [0, plane.clock.nowMs() + 1000]) {
      expect(await post(kind.create, { name: 'mine', expiresAt })).toMatchObject({
        status: 400,
        body: { code: 'InvalidExpiration' },
      })
    }
  })

  it('is rotated: both are good for a while, then the new one', async () => {
    const old = await create(kind)
    const rotated = await post(kind.rotate, { id: old, graceMs: 60_000 })
    const next = (rotated.body as Readonly<Record<string, string>>)[kind.field] ?? ''
    expect(next).toMatch(kind.form)
    expect([await isGood(old), await isGood(next)]).toEqual([true, true])
    plane.clock.timeMs += 60_000
    expect([await isGood(old), await isGood(next)]).toEqual([false, true])
  })

  it('is made once by a marked request, and its secret is not shown again', async () => {
    const mark = { 'Idempotency-Key': 'once' }
    const first = await post(kind.create, { name: 'mine' }, mark)
    const again = await post(kind.create, { name: 'mine' }, mark)
    expect(first.status).toBeLessThan(300)
    expect(again).toMatchObject({ status: 409, body: { code: 'SecretShownBefore' } })
    expect(await list(kind)).toHaveLength(1)
    expect(await post(kind.create, { name: 'mine too' }, mark)).toMatchObject({
      status: 422,
      body: { code: 'IdempotencyKeyReused' },
    })
    // A day later the mark is forgotten.
    plane.clock.timeMs += 24 * 60 * 60_000
    await plane.controlPlane.sweep()
    expect((await post(kind.create, { name: 'mine' }, mark)).status).toBe(first.status)
  })
})

it('ends what was minted from a key with the key, after a rotation too', async () => {
  const kind = kinds[2]
  if (kind === undefined) throw new Error('There are four kinds.')
  const old = await create(kind)
  const body = { teamSlug: 'my-team', projectSlug: 'shop', deploymentType: 'dev' }
  const path = '/api/deployment/provision_and_authorize'
  const { adminKey } = await plane.succeed<{ adminKey: string }>('POST', path, body, old)
  const verify = async () => (await plane.controlPlane.verifyDeploymentKey(project.deploymentName, adminKey)).kind
  expect(await verify()).toBe('ok')
  await post(kind.rotate, { id: old, graceMs: 60_000 })
  expect(await verify()).toBe('ok')
  plane.clock.timeMs += 60_000
  expect(await verify()).toBe('unknown')
})

it('gives a token that is made with another one no longer a life', async () => {
  const personalTokens = kinds[3]
  if (personalTokens === undefined) throw new Error('There are four kinds.')
  const expiresAt = plane.clock.nowMs() + 60 * 60_000
  const ending = await create(personalTokens, { name: 'mine', expiresAt })
  for (const later of [{}, { expiresAt: expiresAt + 60_000 }]) {
    const body = { name: 'mine', ...later }
    await plane.succeed('POST', '/v1/create_personal_access_token', body, ending)
  }
  expect((await list(personalTokens)).map((token) => token.expiresAt)).toEqual([expiresAt, expiresAt, expiresAt])
})

it('has deployments look again at what keys have opened, now and then', async () => {
  const changes: KeysChanged[] = []
  plane.controlPlane.onKeysChanged((change) => changes.push(change))
  await plane.controlPlane.sweep()
  expect(changes).toEqual([{ keyIds: [] }])
})

it('pages through tokens, newest first', async () => {
  for (const name of ['one', 'two', 'three']) await post('/create_personal_access_token', { name })
  type Page = { items: { name: string }[]; pagination: { hasMore: boolean; nextCursor?: string } }
  const get = async (query: string): Promise<Page> =>
    await plane.succeed<Page>('GET', `/v1/list_personal_access_tokens${query}`, undefined, personal)
  const first = await get('?limit=3')
  expect(first.items.map(({ name }) => name)).toEqual(['three', 'two', 'one'])
  const last = await get(`?limit=3&cursor=${first.pagination.nextCursor}`)
  expect(last).toMatchObject({ items: [{ name: 'me' }], pagination: { hasMore: false } })
})

it("shows no member another member's tokens", async () => {
  const strangers = await plane.addTeam('Strangers')
  const listed = await plane.succeed<{ items: unknown[] }>(
    'GET',
    `/v1/teams/${strangers.slug}/list_access_tokens`,
    undefined,
    strangers.token,
  )
  expect(listed.items).toMatchObject([{ name: 'test' }])
})

it('gives a key exactly the actions that were asked for', async () => {
  const allowedActions = ['deployment:logs:view', 'deployment:deploy']
  const { deployKey } = await plane.succeed<{ deployKey: string }>(
    'POST',
    fill('/deployments/DEPLOYMENT/create_deploy_key'),
    {
      name: 'ci',
      allowedActions,
    },
  )
  const verdict = await plane.controlPlane.verifyDeploymentKey(project.deploymentName, deployKey)
  expect(verdict).toMatchObject({ kind: 'ok', allowedActions, isReadOnly: false })
  const details = await plane.succeed('GET', '/v1/token_details', undefined, deployKey)
  expect(details).toMatchObject({ type: 'deployKey', allowedActions })
})

it('lets a key see what deployments of its own type start with, if it may see variables', async () => {
  const changes = [
    { name: 'COLOR', deploymentType: 'dev', value: 'blue' },
    { name: 'COLOR', deploymentType: 'prod', value: 'red' },
  ]
  await post('/projects/PROJECT/update_default_environment_variables', { changes })
  const createKey = async (allowedActions: readonly string[]): Promise<string> => {
    const path = fill('/deployments/DEPLOYMENT/create_deploy_key')
    return (await plane.succeed<{ deployKey: string }>('POST', path, { name: 'x', allowedActions })).deployKey
  }
  const path = fill('/projects/PROJECT/list_default_environment_variables')
  const seen = await plane.succeed('GET', path, undefined, await createKey(['deployment:env:view']))
  expect(seen).toEqual({
    items: [{ name: 'COLOR', value: 'blue', deploymentTypes: ['dev'] }],
    pagination: { hasMore: false },
  })
  expect(await plane.call('GET', path, { token: await createKey(['deployment:deploy']) })).toMatchObject({
    status: 403,
    body: { code: 'OperationNotPermitted', message: expect.stringContaining('(deployment:env:view)') },
  })
})
