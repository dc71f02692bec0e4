import { jsonReply } from '@concave/http'
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

/** Null of an expiry means never; absent, as the type has it. */
export const createDeployment = operation<Input>('create deployment', async ({ deployments }, input) => {
  const { body, path, principal, mark } = input
  checkClass(body.class)
  checkRegion(body.region)
  const request = {
    type: body.type,
    reference: body.reference ?? undefined,
    isDefault: body.isDefault ?? undefined,
    expiresAt: body.expiresAt,
  }
  const deployment = await deployments.create(principal, path.project_id, request, mark)
  return jsonReply(deploymentResponse(deployments, deployment))
})
