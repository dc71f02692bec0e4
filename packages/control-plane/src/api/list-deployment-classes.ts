import { jsonReply } from '@concave/http'
import { getTeam } from '../access.ts'
import { operation } from '../operation.ts'
import { defaultClass } from '../regions.ts'

type Input = { readonly path: { readonly team_id: string } }

export const listDeploymentClasses = operation<Input>('list deployment classes', async ({ store }, input) => {
  await store.read((tables) => getTeam(tables, input.principal, input.path.team_id))
  return jsonReply({ items: [{ type: defaultClass, available: true }] })
})
