/** All deployments of a team in pages: filtered, sorted by one of three fields, then by number. */
import { BadRequest } from '@concave/base'
import { getTeam } from './access.ts'
import { controlPlaneLimits } from './limits.ts'
import type { Principal } from './principal.ts'
import type { DeploymentRecord, DeploymentType } from './records.ts'
import type { Store } from './store.ts'

export type TeamDeploymentsQuery = {
  readonly cursor?: string
  readonly limit?: number
  readonly sortBy?: 'createTime' | 'lastDeployTime' | 'reference'
  readonly sortOrder?: 'asc' | 'desc'
  readonly deploymentType?: DeploymentType
  /** Part of the name or reference, ignoring case. */
  readonly q?: string
  readonly projectId?: number
  readonly creator?: number
  readonly isDefault?: boolean
}

export type TeamDeploymentsPage = {
  readonly deployments: readonly DeploymentRecord[]
  readonly nextCursor: string | undefined
}

type SortKey = readonly [value: string | number, id: number]

/** Throws 404 `TeamNotFound`, 400 `BadQueryArgs` for a cursor that is not from here. */
export async function listTeamDeployments(
  store: Store,
  principal: Principal,
  teamIdOrSlug: string,
  query: TeamDeploymentsQuery,
): Promise<TeamDeploymentsPage> {
  const { cursor, limit = controlPlaneLimits.defaultPageItems, sortBy = 'createTime', sortOrder = 'desc' } = query
  const after = cursor === undefined ? undefined : parseCursor(cursor)
  const all = await store.read(async (tables) => {
    const team = await getTeam(tables, principal, teamIdOrSlug)
    return await tables.deployments.list('byTeam', [team.id])
  })
  const direction = sortOrder === 'asc' ? 1 : -1
  const sorted = all
    .filter((deployment) => deployment.state === 'ready' && matches(deployment, query))
    .map((deployment) => ({ deployment, key: sortKey(deployment, sortBy) }))
    .toSorted((a, b) => direction * compare(a.key, b.key))
  const rest = after === undefined ? sorted : sorted.filter(({ key }) => direction * compare(key, after) > 0)
  const page = rest.slice(0, limit)
  const last = page.at(-1)
  return {
    deployments: page.map(({ deployment }) => deployment),
    nextCursor: rest.length > limit && last !== undefined ? formatCursor(last.key) : undefined,
  }
}

function matches(deployment: DeploymentRecord, query: TeamDeploymentsQuery): boolean {
  const { deploymentType, q, projectId, creator, isDefault } = query
  const search = q?.toLowerCase()
  return (
    (deploymentType === undefined || deployment.type === deploymentType) &&
    (projectId === undefined || deployment.projectId === projectId) &&
    (creator === undefined || deployment.creator === creator) &&
    (isDefault === undefined || deployment.isDefault === isDefault) &&
    (search === undefined || deployment.name.includes(search) || deployment.reference.includes(search))
  )
}

function sortKey(deployment: DeploymentRecord, sortBy: 'createTime' | 'lastDeployTime' | 'reference'): SortKey {
  switch (sortBy) {
    case 'createTime':
      return [deployment.createTime, deployment.id]
    case 'lastDeployTime':
      return [deployment.lastDeployTime ?? 0, deployment.id]
    case 'reference':
      return [deployment.reference, deployment.id]
  }
}

function compare([a, aId]: SortKey, [b, bId]: SortKey): number {
  if (a !== b) return a < b ? -1 : 1
  return aId - bId
}

function formatCursor(key: SortKey): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url')
}

function parseCursor(cursor: string): SortKey {
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  } catch (error) {
    throw badCursor(error)
  }
  if (!Array.isArray(parsed)) throw badCursor()
  const [value, id] = parsed as readonly unknown[]
  if ((typeof value !== 'string' && typeof value !== 'number') || typeof id !== 'number') throw badCursor()
  return [value, id]
}

function badCursor(cause?: unknown): BadRequest {
  return new BadRequest('BadQueryArgs', 'The cursor is not one that this operation returned.', { cause })
}
