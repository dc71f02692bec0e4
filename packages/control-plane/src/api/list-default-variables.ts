import { jsonReply } from '@concave/http'
import { operation } from '../operation.ts'
import type { DefaultVariableRecord, DeploymentType } from '../records.ts'

type Input = {
  readonly path: { readonly project_id: number }
  readonly query: { readonly name?: string; readonly deploymentType?: DeploymentType }
}

/** Everything at once. What has the same name and value is one item, with all its types. */
export const listDefaultVariables = operation<Input>(
  'list default environment variables',
  async ({ defaultVariables }, { path, query, principal }) => {
    const { name, deploymentType } = query
    const rows = await defaultVariables.list(principal, path.project_id, { name, type: deploymentType })
    return jsonReply({ items: merge(rows), pagination: { hasMore: false } })
  },
)

type Item = { readonly name: string; readonly value: string; readonly deploymentTypes: readonly DeploymentType[] }

function merge(rows: readonly DefaultVariableRecord[]): readonly Item[] {
  const items: Item[] = []
  for (const { name, value, deploymentType } of rows) {
    const at = items.findIndex((item) => item.name === name && item.value === value)
    const known = items[at]
    if (known === undefined) items.push({ name, value, deploymentTypes: [deploymentType] })
    else items[at] = { ...known, deploymentTypes: [...known.deploymentTypes, deploymentType] }
  }
  return items
}
