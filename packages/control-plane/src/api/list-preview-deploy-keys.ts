import { jsonReply } from '@concave/http'
import { previewKeysOf } from '../key-owners.ts'
import { operation } from '../operation.ts'
import { keyResponse } from '../responses.ts'

type Input = {
  readonly path: { readonly project_id: number }
  /** Keys that an integration manages; there are none. */
  readonly query: { readonly includeManaged?: boolean }
}

export const listPreviewDeployKeys = operation<Input>(
  'list preview deploy keys',
  async ({ keys, accessTokens }, { path, principal }) => {
    const all = await keys.list(previewKeysOf(principal, path.project_id))
    return jsonReply({ items: all.map((key) => keyResponse(accessTokens, key)) })
  },
)
