import { jsonReply } from '@concave/http'
import { operation } from '../operation.ts'
import { localDeploymentResponse } from '../responses.ts'

type Input = { readonly path: { readonly team_id: string } }

export const listLocalDeployments = operation<Input>(
  'list local deployments for team',
  async ({ localDeployments }, { path, principal }) => {
    const all = await localDeployments.listOfTeam(principal, path.team_id)
    return jsonReply({ items: all.map((local) => localDeploymentResponse(localDeployments, local)) })
  },
)
