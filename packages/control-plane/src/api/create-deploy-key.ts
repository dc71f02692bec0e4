import { jsonReply } from '@concave/http'
import { operation } from '../operation.ts'

type Input = {
  readonly path: { readonly deployment_name: string }
  readonly body: {
    readonly name: string
    readonly allowedActions?: readonly string[]
    readonly expiresAt?: number | null
  }
}

export const createDeployKey = operation<Input>('create deploy key', async ({ deployKeys }, input) => {
  const { name, allowedActions, expiresAt } = input.body
  const deployKey = await deployKeys.create(input.principal, input.path.deployment_name, {
    name,
    allowedActions,
    expiresAt,
  })
  return jsonReply({ deployKey })
})
