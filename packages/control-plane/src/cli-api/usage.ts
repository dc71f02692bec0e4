import { listTeams } from '../access.ts'
import { NotFound } from '@concave/base'
import { cliRoute } from '../cli-route.ts'
import type { Principal } from '../principal.ts'
import type { Store } from '../store.ts'

/** No limit is ever near: there is none. */
export const teamUsageState = cliRoute({
  method: 'GET',
  path: '/dashboard/teams/{team_id}/usage/team_usage_state',
  run: async ({ store }, { params, principal }) => ({
    teamId: await checkOwnTeam(store, principal, params['team_id'] ?? ''),
    usageState: 'Default',
  }),
})

/** Nothing is billed, so nothing is capped. */
export const spendingLimits = cliRoute({
  method: 'GET',
  path: '/dashboard/teams/{team_id}/get_spending_limits',
  run: async ({ store }, { params, principal }) => {
    await checkOwnTeam(store, principal, params['team_id'] ?? '')
    return { disableThresholdCents: null, warningThresholdCents: null, state: null }
  },
})

/** What `insights` asks for: nothing is metered yet, so nothing stands out. */
export const usageQuery = cliRoute({
  method: 'GET',
  path: '/dashboard/teams/{team_id}/usage/query',
  run: async ({ store }, { params, principal }) => {
    await checkOwnTeam(store, principal, params['team_id'] ?? '')
    return []
  },
})

async function checkOwnTeam(store: Store, principal: Principal, teamId: string): Promise<number> {
  const teams = await store.read((tables) => listTeams(tables, principal))
  const team = teams.find(({ id }) => String(id) === teamId)
  if (team === undefined) throw new NotFound('TeamNotFound', `There is no team ${teamId}, or you have no access to it.`)
  return team.id
}
