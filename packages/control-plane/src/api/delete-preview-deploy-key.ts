import { emptyReply } from '@concave/http'
import { previewKeysOf } from '../key-owners.ts'
import { operation } from '../operation.ts'

type Input = { readonly path: { readonly project_id: number }; readonly body: { readonly id: string } }

export const deletePreviewDeployKey = operation<Input>('delete preview deploy key', async ({ keys }, input) => {
  await keys.delete(previewKeysOf(input.principal, input.path.project_id), input.body.id)
  return emptyReply()
})
