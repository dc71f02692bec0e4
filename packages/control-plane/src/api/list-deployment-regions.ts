import { jsonReply } from '@concave/http'
import { getTeam } from '../access.ts'
import { operation } from '../operation.ts'
import { defaultRegion } from '../regions.ts'

type Input = { readonly path: { readonly team_id: string } }

export const listDeploymentRegions = operation<Input>('list deployment regions', async ({ store }, input) => {
  await store.read((tables) => getTeam(tables, input.principal, input.path.team_id))
  return jsonReply({ items: [{ ...defaultRegion, available: true }] })
})
