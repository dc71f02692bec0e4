import { listTeams } from '../access.ts'
import { cliRoute } from '../cli-route.ts'
import { teamResponse } from '../responses.ts'

/** A default region spares the question which one to take. */
export const teams = cliRoute({
  method: 'GET',
  path: '/teams',
  run: async ({ store }, { principal }) => {
    const mine = await store.read((tables) => listTeams(tables, principal))
    return mine.map(teamResponse)
  },
})
