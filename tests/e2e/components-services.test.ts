// What a component has for itself: scheduled functions, cron jobs, files, HTTP actions. The app mounts one component
// three times, and no instance sees anything of another's.
import { startTestServer, type TestServer, waitFor } from '@concave/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { upload } from './files-api.ts'
import { fixtureFolder } from './fixtures.ts'
import { mutation, post, query } from './http-calls.ts'
import { type PushedApp, pushApp } from './pushed-app.ts'

// Each run of the CLI takes seconds, and more where other work shares the machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

let server: TestServer
let app: PushedApp
let site: string
beforeAll(async () => {
  server = await startTestServer()
  app = await pushApp(server, { folder: fixtureFolder('component-services'), name: 'Services' })
  const headers = { authorization: `Convex ${app.deployKey}` }
  const urls = await (await fetch(`${app.url}/api/v1/get_canonical_urls`, { headers })).json()
  site = (urls as { convexSiteUrl: string }).convexSiteUrl
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

/** Any function of a component, as an admin calls it. */
async function call(componentPath: string, path: string, args: object = {}): Promise<unknown> {
  const body = { path, componentPath, args, format: 'json' }
  const answer = await post(app.url, '/api/function', body, { key: app.deployKey })
  if (answer.body.status === 'success') return answer.body.value
  throw new Error(`${componentPath} ${path} failed: ${JSON.stringify(answer)}`)
}

/** A system function of the dashboard. */
async function system(name: string, args: object): Promise<unknown> {
  const body = { path: `_system/frontend/${name}`, args, format: 'json' }
  return (await post(app.url, '/api/query', body, { key: app.deployKey })).body.value
}

type Mark = { readonly name: string; readonly jobId: string | null }
type Job = { readonly _id: string; readonly name: string; readonly state: { readonly kind: string } }

type CronJob = { readonly name: string; readonly lastRun: { readonly status: { readonly type: string } } | null }

async function marks(componentPath: string, name: string): Promise<readonly Mark[]> {
  return (await call(componentPath, 'jobs:marks', { name })) as Mark[]
}

async function marked(componentPath: string, name: string): Promise<readonly Mark[]> {
  return await waitFor(`the mark ${name} in ${componentPath}`, async () => {
    const found = await marks(componentPath, name)
    return found.length === 0 ? undefined : found
  })
}

async function componentId(path: string): Promise<string> {
  const listed = (await system('components:list', {})) as { id: string; path: string }[]
  return listed.find((component) => component.path === path)?.id ?? ''
}

const getJob = async (componentPath: string, id: string): Promise<Job | null> =>
  (await call(componentPath, 'jobs:get', { id })) as Job | null

describe('a scheduled function', () => {
  it('of a component runs in it, and is seen by no other', async () => {
    const id = (await call('one', 'jobs:run', { name: 'own', delayMs: 0 })) as string
    expect(await marked('one', 'own')).toMatchObject([{ jobId: id }])
    expect(await getJob('one', id)).toMatchObject({ name: 'jobs.js:mark', state: { kind: 'success' } })
    expect(await getJob('two', id)).toBeNull()
    expect(await marks('two', 'own')).toEqual([])
    const seenByTwo = (await call('two', 'jobs:all')) as Job[]
    expect(seenByTwo.map(({ _id }) => _id)).not.toContain(id)
    expect(await query(app.url, 'jobs:all')).toEqual([])
  })

  it('of the app may be one of a component, by reference', async () => {
    const id = (await mutation(app.url, 'jobs:runInOne', { name: 'by reference', delayMs: 0 })) as string
    // The function belongs to one, the job to the app.
    expect(await marked('one', 'by reference')).toMatchObject([{ jobId: id }])
    expect(await marks('two', 'by reference')).toEqual([])
    expect(await query(app.url, 'jobs:all')).toMatchObject([
      { _id: id, name: 'jobs.js:markPublicly', state: { kind: 'success' } },
    ])
    expect(await getJob('one', id)).toBeNull()
  })

  it('of a component may be one of the app, by handle', async () => {
    const id = (await mutation(app.url, 'jobs:letOneRun', { name: 'by handle' })) as string
    const found = await waitFor('the mark of the app', async () => {
      const all = (await query(app.url, 'jobs:marks', { name: 'by handle' })) as Mark[]
      return all.length === 0 ? undefined : all
    })
    expect(found).toMatchObject([{ jobId: id }])
    expect(await getJob('one', id)).toMatchObject({ name: 'jobs.js:mark', state: { kind: 'success' } })
  })

  it('is undone with the part of a transaction that schedules it', async () => {
    const count = async () => ((await call('two', 'jobs:all')) as Job[]).length
    const before = await count()
    await mutation(app.url, 'jobs:scheduleAndFail', { name: 'partly', everything: false })
    await expect(mutation(app.url, 'jobs:scheduleAndFail', { name: 'never', everything: true })).rejects.toThrow(
      'this part is undone',
    )
    expect(await marked('one', 'partly')).toHaveLength(1)
    await mutation(app.url, 'jobs:letOneRun', { name: 'last' })
    await waitFor('what was scheduled last', async () =>
      ((await query(app.url, 'jobs:marks', { name: 'last' })) as Mark[]).length === 1 ? true : undefined,
    )
    expect(await marks('one', 'never')).toEqual([])
    expect(await count()).toBe(before)
    expect(await marks('two', 'partly')).toEqual([])
  })

  it('runs each link of a chain through app and component once', async () => {
    const left = 60
    await mutation(app.url, 'jobs:startChain', { name: 'chain', left })
    const links = async () => [
      ((await query(app.url, 'jobs:marks', { name: 'chain' })) as Mark[]).length,
      (await marks('one', 'chain')).length,
    ]
    await vi.waitFor(async () => expect(await links()).toEqual([left / 2 + 1, left / 2]), { timeout: 20_000 })
    await mutation(app.url, 'jobs:letOneRun', { name: 'after the chain' })
    expect(await links()).toEqual([left / 2 + 1, left / 2])
  })

  it('may be an action, which schedules as its component', async () => {
    const id = (await call('two', 'jobs:runAction', { name: 'action', isWaiting: false })) as string
    expect(await marked('two', `action second ${id}`)).toHaveLength(1)
    expect(await marked('two', 'action child')).toHaveLength(1)
    expect(await marks('one', 'action child')).toEqual([])
    const fromAction = (await call('one', 'jobs:runFromAction', { name: 'from an action' })) as string
    expect(await marked('one', 'from an action')).toMatchObject([{ jobId: fromAction }])
  })

  it('that is canceled while it runs schedules nothing that runs', async () => {
    const id = (await call('one', 'jobs:runAction', { name: 'wait', isWaiting: true })) as string
    await marked('one', 'wait started')
    // Not two's to cancel.
    await call('two', 'jobs:cancel', { id })
    expect(await getJob('one', id)).toMatchObject({ state: { kind: 'inProgress' } })
    await call('one', 'jobs:cancel', { id })
    await call('one', 'jobs:run', { name: 'wait go', delayMs: 0 })
    await marked('one', 'wait ended')
    const children = ((await call('one', 'jobs:all')) as (Job & { args: [{ name: string }] })[]).filter(
      ({ args }) => args[0].name === 'wait child',
    )
    expect(children).toMatchObject([{ state: { kind: 'canceled' } }])
    expect(await getJob('one', id)).toMatchObject({ state: { kind: 'canceled' } })
  })

  it('is listed and canceled by an admin, by component', async () => {
    const one = await componentId('one')
    const two = await componentId('two')
    const ids = [
      await call('one', 'jobs:run', { name: 'later', delayMs: 3_600_000 }),
      await call('one', 'jobs:run', { name: 'later', delayMs: 3_600_000 }),
    ] as string[]
    const other = (await call('two', 'jobs:run', { name: 'later', delayMs: 3_600_000 })) as string
    const listed = async (id: string | null) => {
      const args = { componentId: id, paginationOpts: { cursor: null, numItems: 10 } }
      return ((await system('paginatedScheduledJobs', args)) as { page: { _id: string }[] }).page.map(({ _id }) => _id)
    }
    expect(await listed(one)).toEqual(ids)
    expect(await listed(two)).toEqual([other])
    expect(await listed(null)).toEqual([])
    const admin = async (route: string, body: object) =>
      (await post(app.url, `/api/${route}`, body, { key: app.deployKey })).status
    expect(await admin('cancel_job', { id: ids[0], componentId: one })).toBe(200)
    expect(await listed(one)).toEqual([ids[1]])
    expect(await admin('cancel_all_jobs', { componentId: one, componentPath: 'two', udfPath: 'jobs:mark' })).toBe(200)
    expect(await listed(one)).toEqual([ids[1]])
    expect(await admin('cancel_all_jobs', { componentId: one, componentPath: 'one', udfPath: 'jobs:mark' })).toBe(200)
    expect(await listed(one)).toEqual([])
    expect(await listed(two)).toEqual([other])
    expect(await admin('delete_scheduled_functions_table', { componentId: two })).toBe(200)
    expect(await call('two', 'jobs:all')).toEqual([])
    expect(await admin('cancel_all_jobs', { componentId: 'nobody' })).toBe(400)
  })
})

describe('a cron job', () => {
  it('runs in every component that has it, without an identity, and keeps its records there', async () => {
    await marked('one', 'pulse of one first null null')
    await marked('two', 'pulse of two second null null')
    await marked('two', 'cron action second null')
    expect(await marks('two', 'pulse of one first null null')).toEqual([])
    for (const path of ['one', 'two', 'three']) {
      const id = await componentId(path)
      const succeeded = await waitFor(`cron jobs of ${path}`, async () => {
        const jobs = (await system('listCronJobs', { componentId: id })) as CronJob[]
        const done = jobs.filter(({ lastRun }) => lastRun?.status.type === 'success').map(({ name }) => name)
        return done.length === jobs.length ? done : undefined
      })
      expect(succeeded.sort()).toEqual(['act', 'pulse'])
    }
    expect(await system('listCronJobs', {})).toEqual([])
  })
})

describe('a file', () => {
  it('is the own of who stores it, also within one transaction', async () => {
    type Stored = { readonly id: string; readonly url: string }
    const stored = (await mutation(app.url, 'files:storeEverywhere', { text: 'x' })) as {
      own: string
      one: Stored
      two: Stored
    }
    const ids = [await componentId('one'), await componentId('two')]
    expect(await textOf(stored.own)).toBe('app x')
    expect(await textOf(stored.one.url)).toBe('one x')
    expect(await textOf(stored.two.url)).toBe('two again x')
    expect(stored.own).not.toContain('?')
    expect([stored.one.url, stored.two.url].map((url) => new URL(url).searchParams.get('component'))).toEqual(ids)
    expect(await query(app.url, 'files:lookAt', { id: stored.one.id })).toEqual({
      app: null,
      one: stored.one.url,
      two: null,
    })
    expect(await call('two', 'files:list')).toEqual([stored.two.id])
    const [path] = stored.one.url.split('?')
    for (const address of [path, `${path}?component=${ids[1]}`, `${path}?component=nobody`]) {
      expect((await fetch(address ?? '')).status).toBe(404)
    }
  })

  it('is stored, read and deleted by actions of its component', async () => {
    const stored = (await call('one', 'files:storeInAction', { text: 'by an action' })) as {
      id: string
      url: string
      text: string
    }
    expect(stored.text).toBe('by an action')
    expect(await textOf(stored.url)).toBe('by an action')
    await expect(call('two', 'files:remove', { id: stored.id })).rejects.toThrow(`storage id ${stored.id} not found`)
    await call('one', 'files:remove', { id: stored.id })
    expect((await fetch(stored.url)).status).toBe(404)
  })

  it('is uploaded to the component whose URL it is', async () => {
    const uploadUrl = (await call('two', 'files:uploadUrl')) as string
    const { body } = await upload(uploadUrl, 'uploaded')
    expect(await call('two', 'files:list')).toContain(body.storageId)
    expect(await call('one', 'files:url', { id: body.storageId })).toBeNull()
    const admins = { path: '_system/frontend/fileStorageV2:generateUploadUrl', format: 'json' }
    const args = { componentId: await componentId('one') }
    const { value } = (await post(app.url, '/api/mutation', { ...admins, args }, { key: app.deployKey })).body
    const uploaded = await upload(value as string, 'uploaded by an admin')
    expect(await call('one', 'files:list')).toContain(uploaded.body.storageId)
  })
})

describe('an HTTP action', () => {
  const get = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${site}${path}`, init)
    return [response.status, await response.text()]
  }

  it('is found below where its component is mounted', async () => {
    expect(await get('/')).toEqual([200, 'app root /'])
    expect(await get('/one/special')).toEqual([200, 'app exactly /one/special'])
    expect(await get('/files/a')).toEqual([200, 'app prefix /files/a'])
    expect(await get('/one/below/a')).toEqual([200, 'below first /one/below/a'])
    expect(await get('/two/below/')).toEqual([200, 'below second /two/below/'])
    expect(await get('/two/in/deep')).toEqual([200, `two/inner at ${site}/two/in`])
    for (const path of ['/one', '/one/', '/seen', '/in/deep', '/three/seen', '/one/in/seen', '/one/two/seen']) {
      expect(await get(path), path).toEqual([404, 'No matching routes found'])
    }
    const listed = (await system('components:list', {})) as { path: string; httpPrefix: string | null }[]
    expect(Object.fromEntries(listed.map(({ path, httpPrefix }) => [path, httpPrefix]))).toEqual({
      '': null,
      one: '/one/',
      'one/inner': '/one/in/',
      two: '/two/',
      'two/inner': '/two/in/',
      three: null,
      'three/inner': null,
    })
    const below = await fetch(`${app.url}/http/one/below/a`)
    expect(await below.text()).toBe('below first /one/below/a')
  })

  it('runs in its component, which is not told who calls', async () => {
    const [status, text] = await get('/two/seen?a=1', { headers: { authorization: 'Bearer nonsense' } })
    expect(status).toBe(200)
    expect(JSON.parse(text as string)).toEqual({
      url: `${site}/two/seen?a=1`,
      site: `${site}/two`,
      label: 'second',
      identity: null,
      authToken: null,
      componentPath: 'two',
      name: 'GET /seen',
    })
    expect(await get('/two/marks', { method: 'POST', body: 'by http' })).toEqual([200, '1'])
    expect(await marks('one', 'by http')).toEqual([])
    const headers = { authorization: `Convex ${app.deployKey}` }
    let cursor = 0
    const entry = await waitFor('the entry in the function log', async () => {
      const page = await (await fetch(`${app.url}/api/stream_function_logs?cursor=${cursor}`, { headers })).json()
      const { entries, newCursor } = page as { entries: { kind: string; identifier: string }[]; newCursor: number }
      cursor = newCursor
      return entries.find(({ kind, identifier }) => kind === 'Completion' && identifier === 'POST /marks')
    })
    expect(entry).toMatchObject({ componentPath: 'two', identityType: 'unknown', error: null })
  })
})

it('signs tokens as itself', async () => {
  const issuerOf = (token: unknown): unknown =>
    (JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString()) as { iss: unknown }).iss
  expect(issuerOf(await call('one', 'tokens:sign'))).toBe(`${app.url}/components/one`)
  expect(issuerOf(await call('two/inner', 'tokens:sign'))).toBe(`${app.url}/components/two/inner`)
})

it('searches vectors of its own', async () => {
  await call('one', 'places:add', { name: 'here', at: [1, 0] })
  await call('one', 'places:add', { name: 'there', at: [0, 1] })
  await call('two', 'places:add', { name: 'elsewhere', at: [0, 1] })
  expect(await call('one', 'places:nearest', { at: [1, 0.1] })).toEqual(['here'])
  expect(await call('two', 'places:nearest', { at: [1, 0.1] })).toEqual(['elsewhere'])
  expect(await call('three', 'places:nearest', { at: [1, 0.1] })).toEqual([])
})

describe('a component that is not mounted any more', () => {
  it('starts nothing, takes no files, and goes on where it was when it is mounted again', async () => {
    const waiting = (await call('three', 'jobs:run', { name: 'while unmounted', delayMs: 10_000 })) as string
    const file = (await call('three', 'files:store', { text: 'kept' })) as { url: string }
    const uploadUrl = (await call('three', 'files:uploadUrl')) as string
    await call('three', 'jobs:runAction', { name: 'goes on', isWaiting: true })
    await marked('three', 'goes on started')
    const id = await componentId('three')
    const config = await app.app.read('convex/convex.config.ts')
    await app.app.write({ 'convex/convex.config.ts': config.replace(/^app\.use\(.*'three'.*\n/m, '') })
    await app.push()

    expect((await upload(uploadUrl, 'late')).body).toMatchObject({
      message: expect.stringContaining('Cannot perform write operations in an unmounted component') as unknown,
    })
    expect(await textOf(file.url)).toBe('kept')
    expect(await system('listCronJobs', { componentId: id })).toEqual([])

    await app.app.write({ 'convex/convex.config.ts': config })
    await app.push()
    expect(await componentId('three')).toBe(id)
    expect(await marked('three', 'while unmounted')).toMatchObject([{ jobId: waiting }])
  })
})

async function textOf(url: string): Promise<string> {
  return await (await fetch(url)).text()
}
