/** What exists in the cloud only. Command lines are told so by name where they insist, and get nothing where they look. */
import { listTeams } from '../access.ts'
import { cliRoute, openRoute, type CliRoute } from '../cli-route.ts'
import { featureNotAvailable } from '../feature-not-available.ts'

/** Nobody is told how a local backend is used. */
export const selfHostedEvent = openRoute({ method: 'POST', path: '/self_hosted_event', run: async () => ({}) })

export const hasAssociatedWorkosTeam = cliRoute({
  method: 'POST',
  path: '/workos/has_associated_workos_team',
  run: async ({ store }, { principal }) => {
    const [team] = await store.read((tables) => listTeams(tables, principal))
    return { hasAssociatedWorkosTeam: false, teamId: team?.id ?? null }
  },
})

const cloudOnly: readonly (readonly ['GET' | 'POST', string])[] = [
  ['GET', '/workos/available_workos_team_emails'],
  ['POST', '/workos/get_or_provision_workos_environment'],
  ['POST', '/workos/provision_associated_workos_team'],
  ['POST', '/workos/disconnect_workos_team'],
  ['POST', '/workos/invite_team_member'],
  ['POST', '/workos/delete_project_environment'],
  ['GET', '/teams/{team_id}/workos_invitation_eligible_emails'],
  ['GET', '/teams/{team_id}/workos_team_health'],
  ['GET', '/deployments/{deployment_name}/workos_environment_health'],
  ['GET', '/projects/{project_id}/workos_environments'],
  ['POST', '/projects/{project_id}/workos_environments'],
  ['GET', '/projects/{project_id}/workos_environments/{client_id}'],
]

export const cloudOnlyRoutes: readonly CliRoute[] = cloudOnly.map(([method, path]) =>
  cliRoute({
    method,
    path,
    run: async () => {
      throw featureNotAvailable('AuthKit of WorkOS, managed by the platform,')
    },
  }),
)
