/** Records as the Management API shows them. */
import { assert, BadRequest } from '@concave/base'
import type { AccessTokens } from './access-tokens.ts'
import { pickDefault } from './deployment-selection.ts'
import type { Deployments } from './deployments.ts'
import { shownActions } from './keys.ts'
import type { LocalDeployments } from './local-deployments.ts'
import type { Principal } from './principal.ts'
import type {
  AccessTokenRecord,
  DeploymentRecord,
  LocalDeploymentRecord,
  ProjectRecord,
  TeamRecord,
} from './records.ts'
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
  readonly lastDeployTime: number | null
  readonly deploymentType: string
  readonly projectId: number
  readonly creator: number
  readonly previewIdentifier: string | null
  readonly region: string
  readonly isDefault: boolean
  readonly reference: string
  readonly dashboardEditConfirmation: boolean | null
  readonly deploymentUrl: string
  readonly expiresAt: number | null
  readonly class: string
  readonly sendLogsToClient: boolean | null
}

/** `kind` says `cloud` for every deployment that the control plane runs, as opposed to a developer's own machine. */
export function deploymentResponse(deployments: Deployments, record: DeploymentRecord): DeploymentResponse {
  const { id, name, createTime, type, projectId, creator, isDefault, reference } = record
  return {
    kind: 'cloud',
    id,
    name,
    createTime,
    lastDeployTime: record.lastDeployTime ?? null,
    deploymentType: type,
    projectId,
    creator,
    previewIdentifier: record.previewIdentifier ?? null,
    region: defaultRegion.name,
    isDefault,
    reference,
    dashboardEditConfirmation: record.dashboardEditConfirmation ?? null,
    deploymentUrl: deployments.urlOf(name),
    expiresAt: record.expiresAt ?? null,
    class: defaultClass,
    sendLogsToClient: record.sendLogsToClient ?? null,
  }
}

export type LocalDeploymentResponse = {
  readonly kind: 'local'
  readonly name: string
  readonly createTime: number
  readonly deploymentType: 'dev'
  readonly projectId: number
  readonly creator: number
  readonly port: number
  readonly deviceName: string
  readonly isActive: boolean
}

export function localDeploymentResponse(
  localDeployments: LocalDeployments,
  record: LocalDeploymentRecord,
): LocalDeploymentResponse {
  const { name, createTime, projectId, creator, port, deviceName } = record
  const isActive = localDeployments.isActive(record)
  return { kind: 'local', name, createTime, deploymentType: 'dev', projectId, creator, port, deviceName, isActive }
}

export type TeamResponse = {
  readonly id: number
  readonly name: string
  readonly slug: string
  readonly creator: number
  readonly suspended: false
  readonly referralCode: ''
  readonly referredBy: null
  readonly managedBy: null
  /** Spares the command line the question which one to take. */
  readonly defaultRegion: string
}

export function teamResponse({ id, name, slug, creator }: TeamRecord): TeamResponse {
  return {
    id,
    name,
    slug,
    creator,
    suspended: false,
    referralCode: '',
    referredBy: null,
    managedBy: null,
    defaultRegion: defaultRegion.name,
  }
}

/** A key without its secret, as deploy keys are listed. */
export function keyResponse(accessTokens: AccessTokens, key: AccessTokenRecord) {
  return { ...tokenResponse(accessTokens, key), creator: key.memberId, allowedActions: shownActions(key) }
}

/** A token without its secret. */
export function tokenResponse(accessTokens: AccessTokens, token: AccessTokenRecord) {
  const { id, name, createTime, expiresAt } = token
  return { id, name, creationTime: createTime, lastUsedTime: accessTokens.lastUsedTime(token), expiresAt }
}

/** The page after one that ended before `nextBefore`, in lists whose cursor is a number. */
export function numberPagination(nextBefore: number | undefined) {
  return nextBefore === undefined ? { hasMore: false } : { hasMore: true, nextCursor: String(nextBefore) }
}

/** Throws 400 `BadQueryArgs`. */
export function parseNumberCursor(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor)
  throw new BadRequest('BadQueryArgs', 'The cursor is not one that this operation returned.')
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
