import { jsonReply } from '@concave/http'
import { operation } from '../operation.ts'
import type { DeploymentType } from '../records.ts'
import { checkClass, checkRegion } from '../regions.ts'
import { deploymentResponse } from '../responses.ts'

type Input = {
  readonly path: { readonly project_id: number }
  readonly body: {
    readonly type: DeploymentType
    readonly reference: string
    readonly class?: string | null
    readonly region?: string | null
    readonly isDefault?: boolean | null
    readonly expiresAt?: number | null
  }
}

/** Ours: what scripts need, to be run again and again. All but type and reference counts for a new one only. */
export const ensureDeployment = operation<Input>('ensure deployment', async ({ deployments }, input) => {
  const { body, path, principal } = input
  checkClass(body.class)
  checkRegion(body.region)
  const { deployment, isNew } = await deployments.ensure(principal, path.project_id, {
    type: body.type,
    reference: body.reference,
    isDefault: body.isDefault ?? undefined,
    expiresAt: body.expiresAt,
  })
  return jsonReply({ ...deploymentResponse(deployments, deployment), isNew })
})
