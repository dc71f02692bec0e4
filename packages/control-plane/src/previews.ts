/** Previews: deployments for a branch or the like, claimed by its name (management-api §6). */
import { BadRequest, NotFound } from '@concave/base'
import { getPreviewedProject } from './access.ts'
import { listPreviews } from './deployment-selection.ts'
import type { Deployments, ProvisionedDeployment } from './deployments.ts'
import { controlPlaneLimits } from './limits.ts'
import type { Principal } from './principal.ts'
import type { DeploymentRecord } from './records.ts'
import type { Store } from './store.ts'

export class Previews {
  readonly #store: Store
  readonly #deployments: Deployments

  constructor(deps: { readonly store: Store; readonly deployments: Deployments }) {
    this.#store = deps.store
    this.#deployments = deps.deployments
  }

  /**
   * The preview of `identifier`, made if there is none. Without `reuse` a new one takes the place of one that is there,
   * at the moment when it is ready. Claims at the same time share one. Throws 400 `InvalidPreviewIdentifier`.
   */
  async claim(
    principal: Principal,
    projectId: number,
    request: { readonly identifier: string; readonly reuse: boolean },
  ): Promise<ProvisionedDeployment> {
    const { identifier, reuse } = request
    checkIdentifier(identifier)
    const outcome = await this.#store.mutate('claim preview', async (tables) => {
      const project = await getPreviewedProject(tables, principal, projectId)
      const [newest] = await listPreviews(tables, project.id, identifier)
      if (newest !== undefined && (reuse || newest.state === 'creating')) return { deployment: newest, isNew: false }
      const { memberId } = principal
      const request = { type: 'preview', previewIdentifier: identifier } as const
      return { deployment: await this.#deployments.reserve(tables, project, memberId, request), isNew: true }
    })
    const { deployment, isNew } = await this.#deployments.finishOrWait(principal, outcome)
    return { deployment, isNew: isNew || !reuse }
  }

  /** Throws 404 `DeploymentNotFound`: never makes one. */
  async get(principal: Principal, projectId: number, identifier: string): Promise<DeploymentRecord> {
    const previews = await this.#store.read(async (tables) => {
      const project = await getPreviewedProject(tables, principal, projectId)
      return await listPreviews(tables, project.id, identifier)
    })
    const found = previews.find(({ state }) => state === 'ready')
    if (found !== undefined) return found
    throw new NotFound(
      'DeploymentNotFound',
      `There is no preview deployment of ${identifier.slice(0, controlPlaneLimits.maxPreviewIdentifierLength)} in this project.`,
    )
  }
}

function checkIdentifier(identifier: string): void {
  const { maxPreviewIdentifierLength } = controlPlaneLimits
  if (identifier !== '' && identifier.length <= maxPreviewIdentifierLength) return
  throw new BadRequest(
    'InvalidPreviewIdentifier',
    `The name of a preview must have 1 to ${maxPreviewIdentifierLength} characters.`,
  )
}
