import { cliRoute } from '../cli-route.ts'
import { controlPlaneLimits } from '../limits.ts'
import { deploymentResponse, projectResponses } from '../responses.ts'

/** All projects of a team at once, as command lines before the pages of the Management API ask for them. */
export const teamProjects = cliRoute({
  method: 'GET',
  path: '/teams/{team_slug}/projects',
  run: async ({ projects, store }, { params, principal }) => {
    const everything = { before: undefined, limit: controlPlaneLimits.maxUnpagedProjects, search: undefined }
    const page = await projects.list(principal, params['team_slug'] ?? '', everything)
    return await store.read((tables) => projectResponses(tables, principal, page.projects))
  },
})

/** The deployments of a project, as command lines up to 1.25 ask for them. */
export const projectDeployments = cliRoute({
  method: 'GET',
  path: '/teams/{team_slug}/projects/{project_slug}/deployments',
  run: async ({ projects, deployments }, { params, principal }) => {
    const names = { team: params['team_slug'] ?? '', project: params['project_slug'] ?? '' }
    const project = await projects.getBySlug(principal, names)
    const all = await deployments.list(principal, project.id)
    return all.map((deployment) => deploymentResponse(deployments, deployment))
  },
})
