/**
 * What a principal may see, and so do: rights follow the hierarchy team → project → deployment. What it may not see
 * does not exist for it (404), so that names and numbers of others cannot be probed.
 */
import { NotFound } from '@concave/base'
import type { Principal } from './principal.ts'
import type { DeploymentRecord, ProjectRecord, TeamRecord } from './records.ts'
import type { Reader, Stored } from './store.ts'

/** A team by number or slug, with rights to all of it. Throws 404 `TeamNotFound`. */
export async function getTeam(tables: Reader, principal: Principal, idOrSlug: string): Promise<Stored<TeamRecord>> {
  const team = await findTeam(tables, idOrSlug)
  if (team === undefined || !(await holdsTeam(tables, principal, team.id))) throw teamNotFound(idOrSlug)
  return team
}

/** Throws 404 `ProjectNotFound`. */
export async function getProject(
  tables: Reader,
  principal: Principal,
  projectId: number,
): Promise<Stored<ProjectRecord>> {
  const project = await tables.projects.find('byNumber', [projectId])
  if (project === undefined || !(await holdsProject(tables, principal, project))) throw projectNotFound(projectId)
  return project
}

/** The same, also for keys that may only make previews in it. Throws 404 `ProjectNotFound`. */
export async function getPreviewedProject(
  tables: Reader,
  principal: Principal,
  projectId: number,
): Promise<Stored<ProjectRecord>> {
  const project = await tables.projects.find('byNumber', [projectId])
  if (project !== undefined && (await holdsPreviewsOf(tables, principal, project))) return project
  throw projectNotFound(projectId)
}

export type ProjectNames = { readonly team: string; readonly project: string }

/** Also for a project token, which holds no team. Throws 404 `TeamNotFound` or `ProjectNotFound`. */
export async function getProjectBySlug(
  tables: Reader,
  principal: Principal,
  names: ProjectNames,
): Promise<Stored<ProjectRecord>> {
  return await findBySlug(tables, principal, names, holdsProject)
}

/** The same, also for keys that may only make previews in it. */
export async function getPreviewedProjectBySlug(
  tables: Reader,
  principal: Principal,
  names: ProjectNames,
): Promise<Stored<ProjectRecord>> {
  return await findBySlug(tables, principal, names, holdsPreviewsOf)
}

async function findBySlug(
  tables: Reader,
  principal: Principal,
  names: ProjectNames,
  holds: typeof holdsProject,
): Promise<Stored<ProjectRecord>> {
  const team = await findTeam(tables, names.team)
  if (team === undefined) throw teamNotFound(names.team)
  const project = await tables.projects.find('byTeamAndSlug', [team.id, names.project])
  if (project !== undefined && (await holds(tables, principal, project))) return project
  throw (await holdsTeam(tables, principal, team.id)) ? projectNotFound(names.project) : teamNotFound(names.team)
}

/** A deployment that is ready. Throws 404 `DeploymentNotFound`. */
export async function getDeployment(
  tables: Reader,
  principal: Principal,
  name: string,
): Promise<Stored<DeploymentRecord>> {
  const deployment = await tables.deployments.find('byName', [name])
  if (deployment?.state !== 'ready' || !(await holdsDeployment(tables, principal, deployment))) {
    throw deploymentNotFound(name)
  }
  return deployment
}

export async function holdsTeam(tables: Reader, principal: Principal, teamId: number): Promise<boolean> {
  switch (principal.kind) {
    case 'personal':
      return await isMember(tables, teamId, principal.memberId)
    case 'team':
      return principal.teamId === teamId && (await isMember(tables, teamId, principal.memberId))
    case 'project':
    case 'preview':
    case 'deployment':
      return false
  }
}

export async function holdsProject(tables: Reader, principal: Principal, project: ProjectRecord): Promise<boolean> {
  if (principal.kind !== 'project') return await holdsTeam(tables, principal, project.teamId)
  return principal.projectId === project.id && (await isMember(tables, project.teamId, principal.memberId))
}

/** A preview key may look at its project, which it does not hold, and make previews in it. */
export async function holdsPreviewsOf(tables: Reader, principal: Principal, project: ProjectRecord): Promise<boolean> {
  if (principal.kind === 'preview') return principal.projectId === project.id
  return await holdsProject(tables, principal, project)
}

export async function holdsDeployment(
  tables: Reader,
  principal: Principal,
  deployment: DeploymentRecord,
): Promise<boolean> {
  if (principal.kind === 'deployment') return principal.deploymentName === deployment.name
  if (principal.kind === 'preview') {
    return deployment.type === 'preview' && principal.projectId === deployment.projectId
  }
  const project = await tables.projects.find('byNumber', [deployment.projectId])
  return project !== undefined && (await holdsProject(tables, principal, project))
}

/** The teams that a principal belongs to: for a key, the team that it is a part of. */
export async function listTeams(tables: Reader, principal: Principal): Promise<readonly Stored<TeamRecord>[]> {
  const ids = await listTeamIds(tables, principal)
  const teams: Stored<TeamRecord>[] = []
  for (const id of ids) {
    const team = await tables.teams.find('byNumber', [id])
    if (team !== undefined) teams.push(team)
  }
  return teams
}

async function listTeamIds(tables: Reader, principal: Principal): Promise<readonly number[]> {
  switch (principal.kind) {
    case 'personal': {
      const memberships = await tables.teamMembers.list('byMember', [principal.memberId])
      return memberships.map(({ teamId }) => teamId)
    }
    case 'team':
      return (await holdsTeam(tables, principal, principal.teamId)) ? [principal.teamId] : []
    case 'project':
    case 'preview': {
      const project = await tables.projects.find('byNumber', [principal.projectId])
      return project === undefined ? [] : [project.teamId]
    }
    case 'deployment': {
      const deployment = await tables.deployments.find('byName', [principal.deploymentName])
      return deployment === undefined ? [] : [deployment.teamId]
    }
  }
}

export function deploymentNotFound(name: string): NotFound {
  return new NotFound('DeploymentNotFound', `There is no deployment ${name}, or you have no access to it.`)
}

function teamNotFound(idOrSlug: string): NotFound {
  return new NotFound('TeamNotFound', `There is no team ${idOrSlug}, or you have no access to it.`)
}

function projectNotFound(idOrSlug: string | number): NotFound {
  return new NotFound('ProjectNotFound', `There is no project ${idOrSlug}, or you have no access to it.`)
}

async function findTeam(tables: Reader, idOrSlug: string): Promise<Stored<TeamRecord> | undefined> {
  // Slugs of teams are never all digits.
  if (/^\d{1,15}$/.test(idOrSlug)) return await tables.teams.find('byNumber', [Number(idOrSlug)])
  return await tables.teams.find('bySlug', [idOrSlug])
}

async function isMember(tables: Reader, teamId: number, memberId: number): Promise<boolean> {
  return (await tables.teamMembers.find('byTeamAndMember', [teamId, memberId])) !== undefined
}
