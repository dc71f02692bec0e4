import { jsonReply } from '@concave/http'
import { deployKeysOf } from '../key-owners.ts'
import { controlPlaneLimits } from '../limits.ts'
import { operation } from '../operation.ts'

type Input = {
  readonly path: { readonly deployment_name: string }
  readonly body: { readonly id: string; readonly graceMs?: number }
}

/** Ours: a new key in place of an old one, which goes on for a while. */
export const rotateDeployKey = operation<Input>('rotate deploy key', async ({ keys }, input) => {
  const { id, graceMs = controlPlaneLimits.rotationGraceMs } = input.body
  const owner = deployKeysOf(input.principal, input.path.deployment_name)
  const { key, old, oldEndsAt } = await keys.rotate(owner, id, { graceMs, mark: input.mark })
  return jsonReply({ deployKey: key, oldKeyId: old.id, oldKeyExpiresAt: oldEndsAt })
})
