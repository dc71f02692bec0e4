import { jsonReply } from '@concave/http'
import { checkCreatable, featureNotAvailable } from '../feature-not-available.ts'
import { operation } from '../operation.ts'
import type { DeploymentType } from '../records.ts'
import { checkClass, checkRegion } from '../regions.ts'
import { deploymentResponse } from '../responses.ts'

type Input = {
  readonly path: { readonly project_id: number }
  readonly body: {
    readonly type: DeploymentType
    readonly class?: string | null
    readonly region?: string | null
    readonly reference?: string | null
    readonly isDefault?: boolean | null
    readonly expiresAt?: number | null
  }
}

export const createDeployment = operation<Input>('create deployment', async ({ deployments }, input) => {
  const { body, path, principal } = input
  checkClass(body.class)
  checkRegion(body.region)
  if (body.expiresAt !== undefined && body.expiresAt !== null) throw featureNotAvailable('Expiry of deployments')
  const deployment = await deployments.create(principal, path.project_id, {
    type: checkCreatable(body.type),
    reference: body.reference ?? undefined,
    isDefault: body.isDefault ?? undefined,
  })
  return jsonReply(deploymentResponse(deployments, deployment))
})
