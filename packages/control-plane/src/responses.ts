/** Records as the Management API shows them. */
import { assert } from '@concave/base'
import { pickDefault, type Deployments } from './deployments.ts'
import type { Principal } from './principal.ts'
import type { DeploymentRecord, ProjectRecord } from './records.ts'
import { defaultClass, defaultRegion } from './regions.ts'
import type { Reader } from './store.ts'

export type ProjectResponse = {
  readonly id: number
  readonly name: string
  readonly slug: string
  readonly teamId: number
  readonly teamSlug: string
  readonly createTime: number
  readonly prodDeploymentName?: string
  /** The caller's own, so it differs from token to token. */
  readonly devDeploymentName?: string
}

export async function projectResponse(
  tables: Reader,
  principal: Principal,
  project: ProjectRecord,
): Promise<ProjectResponse> {
  const { id, name, slug, teamId, createTime } = project
  const team = await tables.teams.find('byNumber', [teamId])
  assert(team !== undefined, 'A project has a team.')
  const deployments = await tables.deployments.list('byProject', [id])
  const ready = deployments.filter(({ state }) => state === 'ready')
  const prod = pickDefault(ready, 'prod', principal.memberId)
  const dev = pickDefault(ready, 'dev', principal.memberId)
  return {
    id,
    name,
    slug,
    teamId,
    teamSlug: team.slug,
    createTime,
    ...(prod === undefined ? {} : { prodDeploymentName: prod.name }),
    ...(dev === undefined ? {} : { devDeploymentName: dev.name }),
  }
}

export type DeploymentResponse = {
  readonly kind: 'cloud'
  readonly id: number
  readonly name: string
  readonly createTime: number
  readonly deploymentType: string
  readonly projectId: number
  readonly creator: number
  readonly region: string
  readonly isDefault: boolean
  readonly reference: string
  readonly deploymentUrl: string
  readonly class: string
}

/** `kind` says `cloud` for every deployment that the control plane runs, as opposed to a developer's own machine. */
export function deploymentResponse(deployments: Deployments, record: DeploymentRecord): DeploymentResponse {
  const { id, name, createTime, type, projectId, creator, isDefault, reference } = record
  return {
    kind: 'cloud',
    id,
    name,
    createTime,
    deploymentType: type,
    projectId,
    creator,
    region: defaultRegion.name,
    isDefault,
    reference,
    deploymentUrl: deployments.urlOf(name),
    class: defaultClass,
  }
}

export async function projectResponses(
  tables: Reader,
  principal: Principal,
  projects: readonly ProjectRecord[],
): Promise<readonly ProjectResponse[]> {
  const responses: ProjectResponse[] = []
  for (const project of projects) responses.push(await projectResponse(tables, principal, project))
  return responses
}
