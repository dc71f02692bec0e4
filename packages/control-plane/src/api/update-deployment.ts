import { emptyReply } from '@concave/http'
import type { DeploymentChange } from '../deployment-changes.ts'
import { operation } from '../operation.ts'
import { checkClass } from '../regions.ts'

type Input = {
  readonly path: { readonly deployment_name: string }
  readonly body: DeploymentChange & { readonly class?: string | null }
}

export const updateDeployment = operation<Input>('update deployment', async ({ deploymentChanges }, input) => {
  const { class: deploymentClass, ...change } = input.body
  checkClass(deploymentClass)
  await deploymentChanges.update(input.principal, input.path.deployment_name, change)
  return emptyReply()
})
