/** What can be changed of a deployment that is there: its handle, its type, its settings, the project it is in. */
import { BadRequest, type Clock } from '@concave/base'
import { deploymentNotFound, getDeployment, getProject } from './access.ts'
import type { AccessTokens } from './access-tokens.ts'
import { listPreviews } from './deployment-selection.ts'
import type { Deployments } from './deployments.ts'
import { checkDefault, checkExpiry, checkFreeReference, generateReference, scheduleExpiry } from './new-deployments.ts'
import type { Principal } from './principal.ts'
import type { DeploymentRecord, DeploymentType } from './records.ts'
import type { Store, Stored, Writer } from './store.ts'

/** Absent: stays. Null: back to what it is by itself, where there is such a thing. */
export type DeploymentChange = {
  readonly reference?: string | null
  readonly deploymentType?: DeploymentType | null
  readonly isDefault?: boolean | null
  readonly expiresAt?: number | null
  readonly dashboardEditConfirmation?: boolean | null
  readonly sendLogsToClient?: boolean | null
}

export class DeploymentChanges {
  readonly #store: Store
  readonly #clock: Clock
  readonly #accessTokens: AccessTokens
  readonly #deployments: Deployments

  constructor(deps: {
    readonly store: Store
    readonly clock: Clock
    readonly accessTokens: AccessTokens
    readonly deployments: Deployments
  }) {
    this.#store = deps.store
    this.#clock = deps.clock
    this.#accessTokens = deps.accessTokens
    this.#deployments = deps.deployments
  }

  /** All of `change` or nothing. Throws 400 as a creation does. */
  async update(principal: Principal, name: string, change: DeploymentChange): Promise<void> {
    const nowMs = this.#clock.nowMs()
    const updated = await this.#store.mutate('update deployment', async (tables) => {
      const before = await getDeployment(tables, principal, name)
      const after = await applyChange(tables, before, change, nowMs)
      const { reference, type, isDefault, previewIdentifier, expiresAt } = after
      const { dashboardEditConfirmation, sendLogsToClient } = after
      await tables.deployments.patch(before._id, {
        reference,
        type,
        isDefault,
        previewIdentifier: previewIdentifier ?? null,
        expiresAt: expiresAt ?? null,
        dashboardEditConfirmation: dashboardEditConfirmation ?? null,
        sendLogsToClient: sendLogsToClient ?? null,
      })
      if (change.expiresAt !== undefined) await scheduleExpiry(tables, name, change.expiresAt)
      return after
    })
    await this.#deployments.configure(updated)
    // A key that reaches some types only may have lost this deployment.
    this.#accessTokens.recheck()
  }

  /**
   * Into another project of the same team, with data, name and deploy keys; to where it is already changes nothing.
   * Sessions end: they may have been minted for somebody who holds the old project only. Throws 400 `DifferentTeam`,
   * `DefaultDeploymentExists`, `DuplicateReference`, `DuplicatePreview`.
   */
  async transfer(principal: Principal, name: string, projectId: number): Promise<void> {
    const revoked = await this.#store.mutate('transfer deployment', async (tables) => {
      const deployment = await getDeployment(tables, principal, name)
      const project = await getProject(tables, principal, projectId)
      if (deployment.projectId === project.id) return []
      if (deployment.teamId !== project.teamId) {
        throw new BadRequest('DifferentTeam', 'A deployment can be transferred within its team only.')
      }
      const { reference, type, isDefault, creator, previewIdentifier } = deployment
      if (isDefault) await checkDefault(tables, { projectId: project.id, type, memberId: creator })
      await checkFreeReference(tables, project.id, reference)
      if (typeof previewIdentifier === 'string') {
        const [other] = await listPreviews(tables, project.id, previewIdentifier)
        if (other !== undefined) {
          throw new BadRequest('DuplicatePreview', `That project has a preview of ${previewIdentifier} already.`)
        }
      }
      await tables.deployments.patch(deployment._id, { projectId: project.id })
      const keys = await tables.accessTokens.list('byDeployment', [name])
      const sessions = keys.filter(({ kind }) => kind === 'session')
      return await this.#accessTokens.revoke(tables, sessions)
    })
    this.#accessTokens.announce(revoked)
    // Tokens of the old project may hold sockets of their own.
    this.#accessTokens.recheck()
  }

  /** Code was pushed. */
  async noteDeploy(name: string): Promise<void> {
    await this.#store.mutate('note deploy', async (tables) => {
      const deployment = await tables.deployments.find('byName', [name])
      if (deployment === undefined) throw deploymentNotFound(name)
      await tables.deployments.patch(deployment._id, { lastDeployTime: this.#clock.nowMs() })
    })
  }
}

async function applyChange(
  tables: Writer,
  before: Stored<DeploymentRecord>,
  change: DeploymentChange,
  nowMs: number,
): Promise<DeploymentRecord> {
  const { id, projectId, name, creator } = before
  const type = change.deploymentType ?? before.type
  const isDefault = change.isDefault ?? before.isDefault
  if (isDefault) await checkDefault(tables, { projectId, type, memberId: creator, except: id })
  const previewIdentifier = type === 'preview' ? (before.previewIdentifier ?? null) : null
  const { expiresAt = before.expiresAt ?? null } = change
  if (expiresAt !== null && change.expiresAt !== undefined) checkExpiry(expiresAt, nowMs)
  let { reference } = before
  if (change.reference === null) {
    reference = await generateReference(tables, { projectId, type, name, creator, previewIdentifier }, id)
  } else if (change.reference !== undefined) {
    await checkFreeReference(tables, projectId, change.reference, id)
    reference = change.reference
  }
  const { dashboardEditConfirmation = before.dashboardEditConfirmation ?? null } = change
  const { sendLogsToClient = before.sendLogsToClient ?? null } = change
  return {
    ...before,
    type,
    isDefault,
    previewIdentifier,
    expiresAt,
    reference,
    dashboardEditConfirmation,
    sendLogsToClient,
  }
}
