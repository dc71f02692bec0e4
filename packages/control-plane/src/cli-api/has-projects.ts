import { holdsProject, listTeams } from '../access.ts'
import { cliRoute } from '../cli-route.ts'

export const hasProjects = cliRoute({
  method: 'GET',
  path: '/has_projects',
  run: async ({ store }, { principal }) =>
    await store.read(async (tables) => {
      for (const team of await listTeams(tables, principal)) {
        const projects = await tables.projects.list('byTeamAndNumber', [team.id])
        for (const project of projects) if (await holdsProject(tables, principal, project)) return true
      }
      return false
    }),
})
