import { createDeferred } from '@concave/base'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { KeysChanged } from './access-tokens.ts'
import { openTestControlPlane, type TestControlPlane } from './control-plane-fixture.ts'
import { controlPlaneLimits } from './limits.ts'

let plane: TestControlPlane
beforeEach(async () => {
  plane = await openTestControlPlane()
})
afterEach(async () => {
  await plane[Symbol.asyncDispose]()
})

async function createDeployKey(deploymentName: string, body: object = { name: 'ci' }): Promise<string> {
  const path = `/v1/deployments/${deploymentName}/create_deploy_key`
  return (await plane.succeed<{ deployKey: string }>('POST', path, body)).deployKey
}

const verify = async (name: string, key: string) => await plane.controlPlane.verifyDeploymentKey(name, key)

describe('bootstrap', () => {
  it('happens once, also across restarts', async () => {
    expect(plane.first.team).toEqual({ id: 1, name: 'My team', slug: 'my-team' })
    expect(plane.first.accessToken).toMatch(/^eyJ[A-Za-z0-9]+$/)
    expect(plane.first.claimUrl).toMatch(new RegExp(`^${plane.url}/claim#eyJ[A-Za-z0-9]+$`))
    expect(await plane.controlPlane.bootstrap({ publicUrl: plane.url })).toBeUndefined()
    await plane.restart()
    expect(await plane.controlPlane.bootstrap({ publicUrl: plane.url })).toBeUndefined()
    expect((await plane.call('GET', '/v1/token_details')).status).toBe(200)
  })

  it('stores no secret', async () => {
    const { deploymentName } = await plane.createProject()
    const key = await createDeployKey(deploymentName)
    const claim = plane.first.claimUrl.split('#')[1] ?? ''
    await plane.restart(async (store) => {
      const rows = await store.read(async (tables) => [
        ...(await tables.accessTokens.list('byNumber', [])),
        ...(await tables.claimLinks.list('byHash', [])),
      ])
      const text = JSON.stringify(rows)
      for (const secret of [plane.first.accessToken, key.split('|')[1] ?? '', claim]) {
        expect(text).not.toContain(secret)
        expect(text).not.toContain(Buffer.from(secret, 'base64').toString().slice(7, 40))
      }
    })
  })
})

describe('keys of deployments', () => {
  it('are accepted whole, without type and bare', async () => {
    const { deploymentName } = await plane.createProject()
    const key = await createDeployKey(deploymentName)
    const secret = key.slice(key.indexOf('|') + 1)
    for (const presented of [key, `${deploymentName}|${secret}`, secret]) {
      expect(await verify(deploymentName, presented)).toMatchObject({ kind: 'ok', allowedActions: 'all' })
    }
    expect(await verify('other-name-1', key)).toEqual({ kind: 'otherDeployment' })
    expect(await verify(deploymentName, 'dev:x|0123456789abcdef')).toEqual({ kind: 'malformed' })
    expect(await verify(deploymentName, `${secret.slice(0, -4)}AAAA`)).toEqual({ kind: 'malformed' })
  })

  it('end at once and tell the deployments', async () => {
    const { deploymentName } = await plane.createProject()
    const key = await createDeployKey(deploymentName)
    const verdict = await verify(deploymentName, key)
    const changes: KeysChanged[] = []
    const end = plane.controlPlane.onKeysChanged((change) => changes.push(change))
    const path = `/v1/deployments/${deploymentName}/delete_deploy_key`
    await plane.call('POST', path, { body: { id: 'ci' } })
    expect(await verify(deploymentName, key)).toEqual({ kind: 'unknown' })
    expect(changes).toEqual([{ keyIds: [verdict.kind === 'ok' ? verdict.keyId : 0] }])
    end()
    await createDeployKey(deploymentName)
    await plane.call('POST', path, { body: { id: 'ci' } })
    expect(changes).toHaveLength(1)
  })

  it('expire', async () => {
    const { deploymentName } = await plane.createProject()
    const expiresAt = plane.clock.nowMs() + 30 * 60_000
    const key = await createDeployKey(deploymentName, { name: 'short', expiresAt })
    expect(await verify(deploymentName, key)).toMatchObject({ kind: 'ok' })
    plane.clock.timeMs = expiresAt
    expect(await verify(deploymentName, key)).toEqual({ kind: 'unknown' })
    const answer = await plane.call('HEAD', '/api/authorize', { token: key })
    expect(answer.status).toBe(401)
  })

  it('are found by number and by name, unless the name is not one key', async () => {
    const { deploymentName } = await plane.createProject()
    await createDeployKey(deploymentName, { name: 'twin' })
    await createDeployKey(deploymentName, { name: 'twin' })
    const path = `/v1/deployments/${deploymentName}`
    const ambiguous = await plane.call('POST', `${path}/delete_deploy_key`, { body: { id: 'twin' } })
    expect(ambiguous).toMatchObject({ status: 409, body: { code: 'AmbiguousDeployKey' } })
    const [first] = await plane.succeed<{ id: number }[]>('GET', `${path}/list_deploy_keys`)
    await plane.call('POST', `${path}/delete_deploy_key`, { body: { id: String(first?.id) } })
    expect(await plane.succeed('GET', `${path}/list_deploy_keys`)).toHaveLength(1)
  })

  it('may be read-only', async () => {
    const { deploymentName } = await plane.createProject()
    const key = await plane.controlPlane.createAdminKey({ deploymentName, isReadOnly: true })
    expect(await verify(deploymentName, key)).toMatchObject({ kind: 'ok', isReadOnly: true })
    const full = await plane.controlPlane.createAdminKey({ deploymentName, isReadOnly: false })
    expect(await verify(deploymentName, full)).toMatchObject({ kind: 'ok', isReadOnly: false })
    await expect(
      plane.controlPlane.createAdminKey({ deploymentName: 'no-such-1', isReadOnly: false }),
    ).rejects.toMatchObject({ code: 'DeploymentNotFound' })
  })

  it('are not the only way in: the tokens of its team and project pass, those of others do not', async () => {
    const { id, deploymentName } = await plane.createProject()
    const other = await plane.createProject('Other')
    const projectToken = await plane.addProjectToken(id)
    const stranger = await plane.addTeam('Strangers')
    expect(await verify(deploymentName, plane.first.accessToken)).toMatchObject({ kind: 'ok' })
    expect(await verify(deploymentName, `project:my-team:shop|${projectToken}`)).toMatchObject({ kind: 'ok' })
    expect(await verify(other.deploymentName, projectToken)).toEqual({ kind: 'otherDeployment' })
    expect(await verify(deploymentName, stranger.token)).toEqual({ kind: 'otherDeployment' })
  })

  it('cannot administer the platform', async () => {
    const { id, deploymentName } = await plane.createProject()
    const token = await createDeployKey(deploymentName)
    for (const path of [`/v1/projects/${id}`, `/v1/deployments/${deploymentName}/list_deploy_keys`]) {
      expect(await plane.call('GET', path, { token })).toMatchObject({
        status: 403,
        body: { code: 'AccessTokenForbidden' },
      })
    }
    const details = await plane.succeed('GET', '/v1/token_details', undefined, token)
    expect(details).toMatchObject({ type: 'deployKey', deploymentName, projectId: id })
  })

  it('that sessions were opened with are swept when they have expired', async () => {
    const { deploymentName } = await plane.createProject()
    const body = { teamSlug: 'my-team', projectSlug: 'shop', deploymentType: 'dev' }
    const open = async () =>
      await plane.succeed<{ adminKey: string }>('POST', '/api/deployment/provision_and_authorize', body)
    const first = await open()
    plane.clock.timeMs += controlPlaneLimits.sessionKeyMs
    expect(await verify(deploymentName, first.adminKey)).toEqual({ kind: 'unknown' })
    const second = await open()
    expect(await verify(deploymentName, second.adminKey)).toMatchObject({ kind: 'ok' })
    await plane.restart(async (store) => {
      const keys = await store.read((tables) => tables.accessTokens.list('byDeployment', [deploymentName]))
      expect(keys).toMatchObject([{ kind: 'session' }])
    })
  })

  it('keep the time of their last use across a restart', async () => {
    const { deploymentName } = await plane.createProject()
    const key = await createDeployKey(deploymentName)
    plane.clock.timeMs += 5000
    const usedMs = plane.clock.timeMs
    await verify(deploymentName, key)
    plane.clock.timeMs += 5000
    await plane.restart()
    const keys = await plane.succeed('GET', `/v1/deployments/${deploymentName}/list_deploy_keys`)
    expect(keys).toMatchObject([{ name: 'ci', lastUsedTime: usedMs }])
  })
})

describe('teams', () => {
  it('do not see each other', async () => {
    const mine = await plane.createProject()
    const { token, slug } = await plane.addTeam('Strangers')
    const get = async (path: string) => await plane.call('GET', path, { token })
    const notFound = (code: string) => ({ status: 404, body: { code } })
    expect(await get(`/v1/teams/${plane.first.team.id}/list_projects`)).toMatchObject(notFound('TeamNotFound'))
    expect(await get(`/v1/projects/${mine.id}`)).toMatchObject(notFound('ProjectNotFound'))
    expect(await get('/v1/teams/my-team/projects/shop')).toMatchObject(notFound('TeamNotFound'))
    expect(await get(`/v1/deployments/${mine.deploymentName}`)).toMatchObject(notFound('DeploymentNotFound'))
    const stolen = await plane.call('POST', `/v1/projects/${mine.id}/delete`, { token })
    expect(stolen).toMatchObject(notFound('ProjectNotFound'))
    expect((await get(`/v1/teams/${slug}/projects`)).body).toEqual({ items: [], pagination: { hasMore: false } })
    expect(plane.provisioner.removed).toEqual([])
  })

  it('limit a project token to its project', async () => {
    const mine = await plane.createProject()
    const other = await plane.createProject('Other')
    const token = await plane.addProjectToken(mine.id)
    expect((await plane.call('GET', `/v1/projects/${mine.id}`, { token })).status).toBe(200)
    expect((await plane.call('GET', '/v1/teams/my-team/projects/shop', { token })).status).toBe(200)
    expect((await plane.call('GET', `/v1/projects/${other.id}`, { token })).status).toBe(404)
    expect((await plane.call('GET', `/v1/teams/1/list_projects`, { token })).status).toBe(403)
    expect((await plane.call('POST', `/v1/projects/${mine.id}/delete`, { token })).status).toBe(403)
  })
})

describe('projects', () => {
  it('get slugs that are unique in the team, and free again after a deletion', async () => {
    const names = ['Shop', 'shop', 'Ü', '购物']
    const created = []
    for (const name of names) created.push(await plane.createProject(name))
    expect(created.map(({ slug }) => slug)).toEqual(['shop', 'shop-2', 'project-u', 'project'])
    await plane.call('POST', `/v1/projects/${created[0]?.id}/delete`)
    expect((await plane.createProject('Shop')).slug).toBe('shop')
  })

  it('take their deployments and keys with them', async () => {
    const { id, deploymentName } = await plane.createProject()
    const key = await createDeployKey(deploymentName)
    const projectToken = await plane.addProjectToken(id)
    await plane.call('POST', `/v1/projects/${id}/delete`)
    expect(await verify(deploymentName, key)).toEqual({ kind: 'unknown' })
    expect((await plane.call('GET', '/v1/token_details', { token: projectToken })).status).toBe(401)
    expect(await plane.controlPlane.listDeployments()).toEqual([])
  })
})

describe('provisioning', () => {
  it('that fails leaves nothing behind, not even the project', async () => {
    plane.provisioner.onCreate = async () => {
      throw new Error('No port is free.')
    }
    const body = { projectName: 'Shop', deploymentType: 'dev' }
    const answer = await plane.call('POST', '/v1/teams/my-team/create_project', { body })
    expect(answer).toMatchObject({ status: 500, body: { code: 'InternalServerError' } })
    expect(answer.text).not.toContain('port')
    expect(await plane.succeed('GET', '/v1/teams/my-team/list_projects')).toEqual([])
    expect(plane.provisioner.removed).toEqual(plane.provisioner.created.map(({ name }) => name))
  })

  it('shows a deployment only when it is ready', async () => {
    const { id } = await plane.createProject()
    const started = createDeferred<string>()
    const mayFinish = createDeferred<void>()
    plane.provisioner.onCreate = async ({ name }) => {
      started.resolve(name)
      await mayFinish.promise
    }
    const creation = plane.call('POST', `/v1/projects/${id}/create_deployment`, { body: { type: 'prod' } })
    const name = await started.promise
    expect(await plane.succeed('GET', `/v1/projects/${id}/list_deployments`)).toHaveLength(1)
    expect((await plane.call('GET', `/v1/deployments/${name}`)).status).toBe(404)
    mayFinish.resolve()
    expect((await creation).status).toBe(200)
    expect(await plane.succeed('GET', `/v1/projects/${id}/list_deployments`)).toHaveLength(2)
  })

  it('gives way to a deletion of the project, and its folder goes too', async () => {
    const { id } = await plane.createProject()
    const started = createDeferred<string>()
    const mayFinish = createDeferred<void>()
    plane.provisioner.onCreate = async ({ name }) => {
      started.resolve(name)
      await mayFinish.promise
    }
    const creation = plane.call('POST', `/v1/projects/${id}/create_deployment`, { body: { type: 'prod' } })
    const name = await started.promise
    const removedFirst = createDeferred<void>()
    plane.provisioner.onRemove = async () => removedFirst.resolve()
    const deletion = plane.call('POST', `/v1/projects/${id}/delete`)
    await removedFirst.promise
    mayFinish.resolve()
    expect(await creation).toMatchObject({ status: 404, body: { code: 'DeploymentNotFound' } })
    expect((await deletion).status).toBe(200)
    expect(plane.provisioner.removed).toContain(name)
    expect(await plane.controlPlane.listDeployments()).toEqual([])
  })

  it('that a crash interrupted is finished at the next start', async () => {
    const { id, deploymentName } = await plane.createProject()
    await plane.restart(async (store) => {
      await store.mutate('crash in the middle of a creation', async (tables) => {
        const deployment = await tables.deployments.find('byName', [deploymentName])
        if (deployment !== undefined) await tables.deployments.patch(deployment._id, { state: 'creating' })
      })
    })
    expect(await plane.succeed('GET', `/v1/projects/${id}/list_deployments`)).toEqual([])
    await plane.controlPlane.resumePending()
    expect(await plane.succeed('GET', `/v1/projects/${id}/list_deployments`)).toHaveLength(1)
    expect(plane.provisioner.created.map(({ name }) => name)).toEqual([deploymentName, deploymentName])
  })

  it('retries a removal that failed, while the deployment is gone at once', async () => {
    const { deploymentName } = await plane.createProject()
    plane.provisioner.onRemove = async () => {
      throw new Error('The folder is busy.')
    }
    expect((await plane.call('POST', `/v1/deployments/${deploymentName}/delete`)).status).toBe(200)
    expect((await plane.call('GET', `/v1/deployments/${deploymentName}`)).status).toBe(404)
    expect(plane.provisioner.removed).toEqual([])
    plane.provisioner.onRemove = async () => {}
    await plane.restart()
    await plane.controlPlane.resumePending()
    expect(plane.provisioner.removed).toEqual([deploymentName])
    await plane.controlPlane.resumePending()
    expect(plane.provisioner.removed).toEqual([deploymentName])
  })
})
