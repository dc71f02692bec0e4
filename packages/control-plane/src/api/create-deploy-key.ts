import { jsonReply } from '@concave/http'
import { deployKeysOf } from '../key-owners.ts'
import type { NewKey } from '../keys.ts'
import { operation } from '../operation.ts'

type Input = { readonly path: { readonly deployment_name: string }; readonly body: NewKey }

export const createDeployKey = operation<Input>('create deploy key', async ({ keys }, input) => {
  const owner = deployKeysOf(input.principal, input.path.deployment_name)
  return jsonReply({ deployKey: await keys.create(owner, input.body, input.mark) })
})
