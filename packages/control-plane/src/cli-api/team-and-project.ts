import { assert, BadRequest } from '@concave/base'
import { getDeployment } from '../access.ts'
import { cliRoute, keyRoute } from '../cli-route.ts'
import { findOwnLocal } from '../local-deployments.ts'
import { authenticateKey } from '../presented-key.ts'
import type { DeploymentRecord } from '../records.ts'
import type { Reader } from '../store.ts'

type TeamAndProject = {
  /** Slugs. */
  readonly team: string
  readonly project: string
  readonly teamId: number
  readonly projectId: number
  readonly deploymentId?: number
  readonly reference: string | null
  readonly isDefault: boolean
}

export const teamAndProject = cliRoute({
  method: 'GET',
  path: '/deployment/{name}/team_and_project',
  run: async ({ store }, { params, principal }) =>
    await store.read(async (tables) => {
      const name = params['name'] ?? ''
      const local = await findOwnLocal(tables, principal, name)
      if (local !== undefined) return await describeProject(tables, local.projectId)
      const deployment = await getDeployment(tables, principal, name)
      return await describeDeployment(tables, deployment)
    }),
})

/** Works for a project's keys too, which have no deployment of their own. */
export const teamAndProjectForKey = keyRoute({
  path: '/deployment/team_and_project_for_key',
  run: async ({ accessTokens, store }, deployKey) => {
    const principal = await authenticateKey(accessTokens, deployKey)
    return await store.read(async (tables) => {
      switch (principal.kind) {
        case 'deployment':
          return await describeDeployment(tables, await getDeployment(tables, principal, principal.deploymentName))
        case 'project':
        case 'preview':
          return await describeProject(tables, principal.projectId)
        case 'team':
        case 'personal':
          throw new BadRequest('NotADeployKey', 'This token belongs to more than one project.')
      }
    })
  },
})

async function describeDeployment(tables: Reader, deployment: DeploymentRecord): Promise<TeamAndProject> {
  const { id, projectId, reference, isDefault } = deployment
  return { ...(await describeProject(tables, projectId)), deploymentId: id, reference, isDefault }
}

async function describeProject(tables: Reader, projectId: number): Promise<TeamAndProject> {
  const project = await tables.projects.find('byNumber', [projectId])
  assert(project !== undefined, 'What belongs to a project ends with it.')
  const team = await tables.teams.find('byNumber', [project.teamId])
  assert(team !== undefined, 'A project has a team.')
  return {
    team: team.slug,
    project: project.slug,
    teamId: team.id,
    projectId: project.id,
    reference: null,
    isDefault: false,
  }
}
