import { jsonReply } from '@concave/http'
import { previewKeysOf } from '../key-owners.ts'
import { operation } from '../operation.ts'

type Input = {
  readonly path: { readonly project_id: number }
  readonly body: { readonly name: string; readonly expiresAt?: number | null }
}

export const createPreviewDeployKey = operation<Input>('create preview deploy key', async ({ keys }, input) => {
  const owner = previewKeysOf(input.principal, input.path.project_id)
  const { name, expiresAt } = input.body
  return jsonReply({ previewDeployKey: await keys.create(owner, { name, expiresAt }, input.mark) })
})
