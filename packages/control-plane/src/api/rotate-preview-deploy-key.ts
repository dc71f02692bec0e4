import { jsonReply } from '@concave/http'
import { previewKeysOf } from '../key-owners.ts'
import { controlPlaneLimits } from '../limits.ts'
import { operation } from '../operation.ts'

type Input = {
  readonly path: { readonly project_id: number }
  readonly body: { readonly id: string; readonly graceMs?: number }
}

/** Ours: a new key in place of an old one, which goes on for a while. */
export const rotatePreviewDeployKey = operation<Input>('rotate preview deploy key', async ({ keys }, input) => {
  const { id, graceMs = controlPlaneLimits.rotationGraceMs } = input.body
  const owner = previewKeysOf(input.principal, input.path.project_id)
  const { key, old, oldEndsAt } = await keys.rotate(owner, id, { graceMs, mark: input.mark })
  return jsonReply({ previewDeployKey: key, oldKeyId: old.id, oldKeyExpiresAt: oldEndsAt })
})
