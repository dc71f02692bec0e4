import { assert, createDeferred, createLog, systemRandom } from '@concave/base'
import { MemoryStorage } from '@concave/storage'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AccessTokens, toPrincipal } from './access-tokens.ts'
import { bootstrap } from './bootstrap.ts'
import {
  FakeProvisioner,
  ManualClock,
  openTestControlPlane,
  type CreatedProject,
  type TestControlPlane,
} from './control-plane-fixture.ts'
import { openDatabaseStore } from './database-store.ts'
import { Deployments, type ProvisionedDeployment } from './deployments.ts'
import { controlPlaneLimits } from './limits.ts'
import { Previews } from './previews.ts'
import { Projects } from './projects.ts'
import { Secrets } from './secrets.ts'
import type { Store } from './store.ts'

type Claimed = {
  readonly adminKey: string
  readonly instanceUrl: string
  readonly deploymentName: string
  readonly reference: string
  readonly isNewDeployment: boolean
}
type Listed = { readonly name: string; readonly reference: string; readonly expiresAt: number | null }

let plane: TestControlPlane
let project: CreatedProject
let key: string
beforeEach(async () => {
  plane = await openTestControlPlane()
  project = await plane.succeed('POST', '/v1/teams/my-team/create_project', { projectName: 'Shop' })
  const path = `/v1/projects/${project.id}/create_preview_deploy_key`
  key = (await plane.succeed<{ previewDeployKey: string }>('POST', path, { name: 'ci' })).previewDeployKey
})
afterEach(async () => {
  await plane[Symbol.asyncDispose]()
})

const projectSelection = { kind: 'teamAndProjectSlugs', teamSlug: 'my-team', projectSlug: 'shop' }
const claim = async (identifier: string, reuse?: boolean, token = key): Promise<Claimed> =>
  await plane.succeed(
    'POST',
    '/api/claim_preview_deployment',
    { projectSelection, identifier, ...(reuse === undefined ? {} : { reuse }) },
    token,
  )
const list = async (): Promise<readonly Listed[]> =>
  await plane.succeed('GET', `/v1/projects/${project.id}/list_deployments?deploymentType=preview`)

/** Three claims, none of which is answered before all have looked for what is there. */
async function claimTogether(reuse: boolean): Promise<readonly ProvisionedDeployment[]> {
  const clock = new ManualClock()
  const log = createLog({ level: 'silent' })
  const shared = { clock, random: systemRandom, log }
  const open = await openDatabaseStore({ ...shared, storage: new MemoryStorage() })
  const allLooked = createDeferred<void>()
  let looked = 0
  const store: Store = {
    read: async (run) => await open.store.read(run),
    mutate: async (source, run) => {
      const result = await open.store.mutate(source, run)
      if (source === 'claim preview' && ++looked === 3) allLooked.resolve()
      return result
    },
  }
  const secrets = new Secrets({ random: systemRandom, pepper: new Uint8Array(32).fill(1) })
  const accessTokens = new AccessTokens({ store, clock, secrets })
  const provisioner = new FakeProvisioner()
  provisioner.onCreate = async () => await allLooked.promise
  const deployments = new Deployments({ ...shared, store, accessTokens, provisioner })
  const previews = new Previews({ store, deployments })
  const first = await bootstrap({ store, clock, accessTokens }, { publicUrl: 'http://x', teamName: 'Team' })
  assert(first !== undefined, 'It is new.')
  const recognised = await accessTokens.recognise(first.accessToken)
  assert(recognised.kind === 'known', 'It was issued.')
  const principal = toPrincipal(recognised.token, first.accessToken)
  const projects = new Projects({ store, clock, accessTokens, deployments })
  const { project } = await projects.create(principal, 'team', { name: 'Shop', deploymentType: undefined })
  const claimOne = async () => await previews.claim(principal, project.id, { identifier: 'x', reuse })
  const claims = await Promise.all([claimOne(), claimOne(), claimOne()])
  await open.close()
  return claims
}

describe('a claim', () => {
  it('makes a preview, whose key opens it and nothing else for a day', async () => {
    const claimed = await claim('feature/Login page')
    expect(claimed).toMatchObject({ reference: 'preview/feature-login-page', isNewDeployment: true })
    expect(await list()).toMatchObject([
      {
        name: claimed.deploymentName,
        previewIdentifier: 'feature/Login page',
        isDefault: false,
        expiresAt: plane.clock.nowMs() + controlPlaneLimits.previewRetentionMs,
      },
    ])
    const other = await claim('other')
    const verify = async (name: string) => (await plane.controlPlane.verifyDeploymentKey(name, claimed.adminKey)).kind
    expect(await verify(claimed.deploymentName)).toBe('ok')
    expect(await verify(other.deploymentName)).toBe('otherDeployment')
    plane.clock.timeMs += controlPlaneLimits.previewKeyMs
    expect(await verify(claimed.deploymentName)).toBe('unknown')
  })

  it('takes the tokens of members and projects as well', async () => {
    const projectToken = await plane.addProjectToken(project.id)
    const first = await claim('x', true, plane.first.accessToken)
    expect(await claim('x', true, projectToken)).toMatchObject({ deploymentName: first.deploymentName })
  })

  it('finds what is there when asked to reuse it', async () => {
    const first = await claim('x', true)
    expect(await claim('x', true)).toMatchObject({ deploymentName: first.deploymentName, isNewDeployment: false })
    expect(await claim('y', true)).toMatchObject({ isNewDeployment: true })
  })

  it('else puts a new one in its place, under the same reference, and the old one goes', async () => {
    const first = await claim('x')
    const second = await claim('x')
    expect(second.deploymentName).not.toBe(first.deploymentName)
    expect(second.reference).toBe(first.reference)
    expect((await list()).map(({ name }) => name)).toEqual([second.deploymentName])
    expect(plane.provisioner.removed).toEqual([first.deploymentName])
    const verdict = await plane.controlPlane.verifyDeploymentKey(first.deploymentName, first.adminKey)
    expect(verdict.kind).toBe('unknown')
  })

  it('keeps the old one if the new one cannot be made', async () => {
    const first = await claim('x')
    plane.provisioner.onCreate = async () => {
      throw new Error('No port is free.')
    }
    const answer = await plane.call('POST', '/api/claim_preview_deployment', {
      token: key,
      body: { projectSelection, identifier: 'x' },
    })
    expect(answer.status).toBe(500)
    expect((await list()).map(({ name }) => name)).toEqual([first.deploymentName])
    expect(await claim('x', true)).toMatchObject({ deploymentName: first.deploymentName })
  })

  it.each([true, false])('shares one with claims at the same time (reuse: %s)', async (reuse) => {
    const claims = await claimTogether(reuse)
    expect(new Set(claims.map(({ deployment }) => deployment.name)).size).toBe(1)
    expect(claims.filter(({ isNew }) => isNew)).toHaveLength(reuse ? 1 : 3)
  })

  it('gives different things different references, however alike their names are', async () => {
    const references = []
    for (const identifier of ['a b', 'a/b', 'A-B', '猫']) references.push((await claim(identifier)).reference)
    expect(references.slice(0, 3)).toEqual(['preview/a-b', 'preview/a-b-2', 'preview/a-b-3'])
    expect(references[3]).toMatch(/^preview\/[a-z]+-[a-z]+-\d+$/)
  })
})

describe('a preview key', () => {
  it('opens previews, and no other deployment of its project', async () => {
    const { deploymentName } = await claim('x')
    const dev = await plane.succeed<{ name: string }>('POST', `/v1/projects/${project.id}/create_deployment`, {
      type: 'dev',
    })
    const verify = async (name: string) => (await plane.controlPlane.verifyDeploymentKey(name, key)).kind
    expect([await verify(deploymentName), await verify(dev.name)]).toEqual(['ok', 'otherDeployment'])
    const opened = await plane.call('POST', '/api/deployment/authorize_within_current_project', {
      token: key,
      body: { selectedDeploymentName: dev.name, projectSelection },
    })
    expect(opened).toMatchObject({ status: 404, body: { code: 'DeploymentNotFound' } })
  })

  it('opens nothing in another project', async () => {
    await plane.createProject('Other')
    for (const selection of [
      { ...projectSelection, projectSlug: 'other' },
      { ...projectSelection, teamSlug: 'x' },
    ]) {
      const answer = await plane.call('POST', '/api/claim_preview_deployment', {
        token: key,
        body: { projectSelection: selection, identifier: 'x' },
      })
      expect(answer.status).toBe(404)
    }
  })

  it('goes on after a rename, which changes what is printed in it', async () => {
    await plane.call('PATCH', `/v1/projects/${project.id}`, { body: { slug: 'store' } })
    const selection = { ...projectSelection, projectSlug: 'store' }
    const body = { projectSelection: selection, identifier: 'x', reuse: true }
    expect((await plane.call('POST', '/api/claim_preview_deployment', { token: key, body })).status).toBe(200)
    expect(await plane.succeed('GET', '/v1/token_details', undefined, key)).toMatchObject({
      type: 'previewDeployKey',
      projectId: project.id,
    })
  })

  it('is told what it may not do', async () => {
    const body = { teamSlug: null, projectSlug: null, deploymentType: 'dev' }
    expect(await plane.call('POST', '/api/deployment/provision_and_authorize', { token: key, body })).toMatchObject({
      status: 403,
      body: { code: 'AccessTokenForbidden', message: expect.stringContaining('--preview-name') },
    })
  })

  it('ends with its project', async () => {
    await plane.call('POST', `/v1/projects/${project.id}/delete`)
    expect((await plane.call('HEAD', '/api/authorize', { token: key })).status).toBe(401)
  })
})

describe('expiry', () => {
  it('deletes what has expired, with its keys', async () => {
    const { deploymentName, adminKey } = await claim('x')
    plane.clock.timeMs += controlPlaneLimits.previewRetentionMs - 1
    await plane.controlPlane.sweep()
    expect(await list()).toHaveLength(1)
    plane.clock.timeMs += 1
    await plane.controlPlane.sweep()
    expect(await list()).toEqual([])
    expect(plane.provisioner.removed).toEqual([deploymentName])
    expect((await plane.controlPlane.verifyDeploymentKey(deploymentName, adminKey)).kind).toBe('unknown')
  })

  it('happens at the next start if nobody was there', async () => {
    await claim('x')
    plane.clock.timeMs += controlPlaneLimits.previewRetentionMs
    await plane.restart()
    await plane.controlPlane.resumePending()
    expect(await list()).toEqual([])
  })

  it('can be moved and taken away', async () => {
    const { deploymentName } = await claim('x')
    const patch = async (body: object) =>
      (await plane.call('PATCH', `/v1/deployments/${deploymentName}`, { body })).status
    const expiresAt = plane.clock.nowMs() + 3_600_000
    expect(await patch({ expiresAt })).toBe(200)
    expect(await list()).toMatchObject([{ expiresAt }])
    expect(await patch({ expiresAt: null })).toBe(200)
    plane.clock.timeMs += controlPlaneLimits.previewRetentionMs
    await plane.controlPlane.sweep()
    expect(await list()).toMatchObject([{ expiresAt: null }])
  })

  it('is for deployments of every type, if they are given one', async () => {
    const expiresAt = plane.clock.nowMs() + 3_600_000
    await plane.succeed('POST', `/v1/projects/${project.id}/create_deployment`, { type: 'custom', expiresAt })
    plane.clock.timeMs = expiresAt
    await plane.controlPlane.sweep()
    expect(await plane.succeed('GET', `/v1/projects/${project.id}/list_deployments`)).toEqual([])
  })
})

describe('a crash', () => {
  it('while a preview is put in the place of another leaves one of them, and a start finishes the rest', async () => {
    const first = await claim('x')
    const started = createDeferred<string>()
    const mayFinish = createDeferred<void>()
    plane.provisioner.onCreate = async ({ name }) => {
      started.resolve(name)
      await mayFinish.promise
    }
    const body = { projectSelection, identifier: 'x' }
    const claiming = Promise.allSettled([plane.call('POST', '/api/claim_preview_deployment', { token: key, body })])
    const second = await started.promise
    // What the records are at this moment is what a crash would leave.
    expect((await list()).map(({ name }) => name)).toEqual([first.deploymentName])
    plane.provisioner.onCreate = async () => {}
    await plane.restart()
    await plane.controlPlane.resumePending()
    expect(await list()).toMatchObject([{ name: second, reference: 'preview/x' }])
    expect(plane.provisioner.removed).toEqual([first.deploymentName])
    mayFinish.resolve()
    await claiming
  })
})
