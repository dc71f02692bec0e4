import { emptyReply } from '@concave/http'
import type { DefaultVariableChange } from '../default-variables.ts'
import { operation } from '../operation.ts'

type Input = {
  readonly path: { readonly project_id: number }
  readonly body: { readonly changes: readonly DefaultVariableChange[] }
}

export const updateDefaultVariables = operation<Input>(
  'update default environment variables',
  async ({ defaultVariables }, { path, body, principal }) => {
    await defaultVariables.update(principal, path.project_id, body.changes)
    return emptyReply()
  },
)
