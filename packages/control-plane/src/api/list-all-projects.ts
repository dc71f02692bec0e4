import { jsonReply } from '@concave/http'
import { controlPlaneLimits } from '../limits.ts'
import { operation } from '../operation.ts'
import { projectResponses } from '../responses.ts'

type Input = { readonly path: { readonly team_id: string } }

/** The early form of `list projects`: everything in one array. Its answer names the successor. */
export const listAllProjects = operation<Input>('list all projects', async ({ projects, store }, input) => {
  const { path, principal } = input
  const page = await projects.list(principal, path.team_id, {
    before: undefined,
    limit: controlPlaneLimits.maxUnpagedProjects,
    search: undefined,
  })
  const items = await store.read((tables) => projectResponses(tables, principal, page.projects))
  const successor = `</v1/teams/${page.team.id}/projects>; rel="successor-version"`
  return jsonReply(items, { headers: { Deprecation: 'true', Link: successor } })
})
