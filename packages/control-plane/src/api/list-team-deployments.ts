import { jsonReply } from '@concave/http'
import { operation } from '../operation.ts'
import { deploymentResponse } from '../responses.ts'
import { listTeamDeployments as list, type TeamDeploymentsQuery } from '../team-deployments.ts'

type Input = { readonly path: { readonly team_id: string }; readonly query: TeamDeploymentsQuery }

export const listTeamDeployments = operation<Input>(
  'list deployments for team',
  async ({ deployments, store }, { path, query, principal }) => {
    const { deployments: page, nextCursor } = await list(store, principal, path.team_id, query)
    const items = page.map((deployment) => deploymentResponse(deployments, deployment))
    const pagination = nextCursor === undefined ? { hasMore: false } : { hasMore: true, nextCursor }
    return jsonReply({ items, pagination })
  },
)
