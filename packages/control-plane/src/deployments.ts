/**
 * Deployments: reserved in a transaction, made by the provisioner, then ready. A deletion is one transaction that also
 * queues the removal of the folder; what a crash interrupts, creation or removal, `resumePending` finishes.
 */
import { NotFound, PlatformError, type Clock, type Log, type Random } from '@concave/base'
import { deploymentNotFound, getDeployment, getProject } from './access.ts'
import type { AccessTokens } from './access-tokens.ts'
import { findCreation, forgetCreation, recordCreation, type CreationMark } from './creations.ts'
import { readDefaultVariables } from './default-variables.ts'
import { createDeploymentName } from './deployment-names.ts'
import { findDefault, findSelected, listPreviews, type DeploymentSelector } from './deployment-selection.ts'
import { controlPlaneLimits } from './limits.ts'
import { checkDefault, checkExpiry, checkFreeReference, generateReference, scheduleExpiry } from './new-deployments.ts'
import { nextId } from './next-id.ts'
import type { Principal } from './principal.ts'
import type { DeploymentSettings, Provisioner } from './provisioner.ts'
import type { AccessTokenRecord, DeploymentRecord, DeploymentType, ProjectRecord } from './records.ts'
import type { Reader, Store, Stored, Writer } from './store.ts'

export type NewDeployment = {
  readonly type: DeploymentType
  readonly reference?: string | undefined
  readonly isDefault?: boolean | undefined
  /** Absent: previews live as long as they may, others until they are deleted. Null: until it is deleted. */
  readonly expiresAt?: number | null | undefined
  readonly previewIdentifier?: string | undefined
}

export type ProvisionedDeployment = { readonly deployment: DeploymentRecord; readonly isNew: boolean }

type Revoked = readonly AccessTokenRecord[]

export class Deployments {
  readonly #store: Store
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Log
  readonly #accessTokens: AccessTokens
  readonly #provisioner: Provisioner
  /** Creations under way in this process, by name: others wait for them instead of racing. */
  readonly #creating = new Map<string, Promise<DeploymentRecord>>()

  constructor(deps: {
    readonly store: Store
    readonly clock: Clock
    readonly random: Random
    readonly log: Log
    readonly accessTokens: AccessTokens
    readonly provisioner: Provisioner
  }) {
    this.#store = deps.store
    this.#clock = deps.clock
    this.#random = deps.random
    this.#log = deps.log
    this.#accessTokens = deps.accessTokens
    this.#provisioner = deps.provisioner
  }

  /** API origin, without a trailing slash. */
  urlOf(name: string): string {
    return this.#provisioner.urlOf(name).url.replace(/\/+$/, '')
  }

  async get(principal: Principal, name: string): Promise<DeploymentRecord> {
    return await this.#store.read((tables) => getDeployment(tables, principal, name))
  }

  /** Those that are ready, oldest first. */
  async list(principal: Principal, projectId: number): Promise<readonly DeploymentRecord[]> {
    return await this.#store.read(async (tables) => {
      const project = await getProject(tables, principal, projectId)
      const deployments = await tables.deployments.list('byProject', [project.id])
      return deployments.filter(({ state }) => state === 'ready')
    })
  }

  /** All that are ready, of every team: for whoever starts them. */
  async listAll(): Promise<readonly DeploymentRecord[]> {
    return await this.#store.read((tables) => tables.deployments.list('byState', ['ready']))
  }

  /** Throws 404 `DeploymentNotFound`. */
  async select(principal: Principal, project: ProjectRecord, selector: DeploymentSelector): Promise<DeploymentRecord> {
    const found = await this.#store.read((tables) => findSelected(tables, principal, project, selector))
    if (found?.state === 'ready') return found
    const what = selector.kind === 'reference' ? `with the reference ${selector.reference}` : `that is ${selector.kind}`
    throw new NotFound('DeploymentNotFound', `There is no deployment ${what} in this project.`)
  }

  /** `mark`: a repeat of a marked request answers the deployment that the first one made. */
  async create(
    principal: Principal,
    projectId: number,
    request: NewDeployment,
    mark?: CreationMark,
  ): Promise<DeploymentRecord> {
    const outcome = await this.#store.mutate('create deployment', async (tables) => {
      const project = await getProject(tables, principal, projectId)
      const made = await findCreation(tables, mark)
      if (made !== undefined) return { deployment: await findByNumber(tables, project.id, made), isNew: false }
      const reserved = await this.reserve(tables, project, principal.memberId, request)
      await recordCreation(tables, mark, { createdId: reserved.id, nowMs: this.#clock.nowMs() })
      return { deployment: reserved, isNew: true }
    })
    const undo = async (tables: Writer): Promise<void> => await forgetCreation(tables, mark)
    return (await this.finishOrWait(principal, outcome, undo)).deployment
  }

  /** The deployment with this reference, made if there is none. Safe to race. Throws 409 `DeploymentTypeMismatch`. */
  async ensure(
    principal: Principal,
    projectId: number,
    request: NewDeployment & { readonly reference: string },
  ): Promise<ProvisionedDeployment> {
    const { reference, type } = request
    const outcome = await this.#store.mutate('ensure deployment', async (tables) => {
      const project = await getProject(tables, principal, projectId)
      const existing = await tables.deployments.find('byProjectAndReference', [project.id, reference])
      if (existing === undefined) {
        return { deployment: await this.reserve(tables, project, principal.memberId, request), isNew: true }
      }
      if (existing.type === type) return { deployment: existing, isNew: false }
      throw new PlatformError(
        409,
        'DeploymentTypeMismatch',
        `The deployment with the reference ${reference} is a ${existing.type} deployment, not a ${type} one.`,
      )
    })
    return await this.finishOrWait(principal, outcome)
  }

  /** The caller's default dev or the project's default prod deployment, made if there is none. Safe to race. */
  async getOrCreateDefault(
    principal: Principal,
    project: ProjectRecord,
    type: 'dev' | 'prod',
  ): Promise<DeploymentRecord> {
    const outcome = await this.#store.mutate('provision default deployment', async (tables) => {
      const current = await getProject(tables, principal, project.id)
      const existing = await findDefault(tables, current.id, type, principal.memberId)
      if (existing !== undefined) return { deployment: existing, isNew: false }
      return { deployment: await this.reserve(tables, current, principal.memberId, { type }), isNew: true }
    })
    return (await this.finishOrWait(principal, outcome)).deployment
  }

  /** Finishes what the caller has reserved; what another request has reserved is waited for. */
  async finishOrWait(
    principal: Principal,
    outcome: ProvisionedDeployment,
    undo?: (tables: Writer) => Promise<void>,
  ): Promise<ProvisionedDeployment> {
    const { deployment, isNew } = outcome
    if (isNew) return { deployment: await this.finish(deployment, undo), isNew }
    if (deployment.state === 'ready') return outcome
    const underWay = this.#creating.get(deployment.name)
    if (underWay !== undefined) return { deployment: await underWay, isNew }
    // It became ready, or failed, between our transaction and this line.
    return { deployment: await this.get(principal, deployment.name), isNew }
  }

  /** Writes the record of a deployment that `finish` then makes. Throws 400 for a bad reference or second default. */
  async reserve(
    tables: Writer,
    project: ProjectRecord,
    memberId: number,
    request: NewDeployment,
  ): Promise<DeploymentRecord> {
    const { type, reference } = request
    const nowMs = this.#clock.nowMs()
    const isDefault = request.isDefault ?? ((type === 'dev' || type === 'prod') && reference === undefined)
    if (isDefault) await checkDefault(tables, { projectId: project.id, type, memberId })
    if (reference !== undefined) await checkFreeReference(tables, project.id, reference)
    const ownLife = type === 'preview' ? nowMs + controlPlaneLimits.previewRetentionMs : null
    const expiresAt = request.expiresAt === undefined ? ownLife : request.expiresAt
    if (expiresAt !== null) checkExpiry(expiresAt, nowMs)
    const own = {
      name: await this.#pickName(tables),
      projectId: project.id,
      type,
      creator: memberId,
      previewIdentifier: request.previewIdentifier ?? null,
    }
    const deployment: DeploymentRecord = {
      id: await nextId(tables, 'deployment'),
      ...own,
      teamId: project.teamId,
      reference: reference ?? (await generateReference(tables, own)),
      isDefault,
      createTime: nowMs,
      state: 'creating',
      expiresAt,
      dashboardEditConfirmation: null,
      sendLogsToClient: null,
    }
    await tables.deployments.insert(deployment)
    await scheduleExpiry(tables, deployment.name, expiresAt)
    return deployment
  }

  /** Has the provisioner make a reserved deployment. If that fails nothing of it remains, `undo` included. */
  async finish(reserved: DeploymentRecord, undo?: (tables: Writer) => Promise<void>): Promise<DeploymentRecord> {
    const made = this.#provision(reserved, undo)
    this.#creating.set(reserved.name, made)
    try {
      return await made
    } finally {
      this.#creating.delete(reserved.name)
    }
  }

  async delete(principal: Principal, name: string): Promise<void> {
    const revoked = await this.#store.mutate('delete deployment', async (tables) => {
      const deployment = await getDeployment(tables, principal, name)
      return await this.deleteRecords(tables, [deployment])
    })
    this.#accessTokens.announce(revoked)
    await this.removeFolders([name])
  }

  /** Deletes records and keys and queues the folders; after the commit `announce` and `removeFolders` follow. */
  async deleteRecords(tables: Writer, deployments: readonly Stored<DeploymentRecord>[]): Promise<Revoked> {
    const revoked: AccessTokenRecord[] = []
    for (const { _id, name } of deployments) {
      const keys = await tables.accessTokens.list('byDeployment', [name])
      revoked.push(...(await this.#accessTokens.revoke(tables, keys)))
      await tables.deployments.remove(_id)
      await scheduleExpiry(tables, name, null)
      await tables.removals.insert({ name, createTime: this.#clock.nowMs() })
    }
    return revoked
  }

  /** Tries queued removals now. One that fails stays queued for the next start; the deletion itself has happened. */
  async removeFolders(names: readonly string[]): Promise<void> {
    for (const name of names) {
      try {
        // A creation under way would put the folder back; its outcome, also a failure, is reported to its own caller.
        const underWay = this.#creating.get(name)
        if (underWay !== undefined) await Promise.allSettled([underWay])
        await this.#provisioner.remove(name)
        await this.#store.mutate('forget removed deployment', async (tables) => {
          const removal = await tables.removals.find('byName', [name])
          if (removal !== undefined) await tables.removals.remove(removal._id)
        })
      } catch (error) {
        this.#log.error({ err: error, deployment: name }, 'Could not remove a deleted deployment; it stays queued.')
      }
    }
  }

  /** Finishes what a crash interrupted. A creation that fails again is taken back. */
  async resumePending(): Promise<void> {
    const { creating, ready, removals } = await this.#store.read(async (tables) => ({
      creating: await tables.deployments.list('byState', ['creating']),
      ready: await tables.deployments.list('byState', ['ready']),
      removals: await tables.removals.list('byName', []),
    }))
    await this.removeFolders(removals.map(({ name }) => name))
    for (const deployment of ready) {
      try {
        await this.#provisioner.configure(deployment.name, settingsOf(deployment))
      } catch (error) {
        this.#log.error({ err: error, deployment: deployment.name }, 'Could not configure a deployment.')
      }
    }
    for (const deployment of creating) {
      try {
        await this.finish(deployment)
      } catch (error) {
        this.#log.error({ err: error, deployment: deployment.name }, 'Could not finish creating a deployment.')
      }
    }
  }

  /** Deletes those whose time has come. */
  async deleteExpired(): Promise<void> {
    const nowMs = this.#clock.nowMs()
    const { names, revoked } = await this.#store.mutate('delete expired deployments', async (tables) => {
      const first = await tables.expiries.list('byTime', [], { limit: controlPlaneLimits.maxSweptAtOnce })
      const expired: Stored<DeploymentRecord>[] = []
      for (const { name, expiresAt } of first) {
        const deployment = expiresAt <= nowMs ? await tables.deployments.find('byName', [name]) : undefined
        if (deployment !== undefined) expired.push(deployment)
      }
      return { names: expired.map(({ name }) => name), revoked: await this.deleteRecords(tables, expired) }
    })
    this.#accessTokens.announce(revoked)
    await this.removeFolders(names)
  }

  /** Has the provisioner follow what the record of a deployment says now. */
  async configure(deployment: DeploymentRecord): Promise<void> {
    await this.#provisioner.configure(deployment.name, settingsOf(deployment))
  }

  async #provision(reserved: DeploymentRecord, undo?: (tables: Writer) => Promise<void>): Promise<DeploymentRecord> {
    const { name, type, id, projectId, teamId } = reserved
    try {
      const environment = await this.#store.read((tables) => readDefaultVariables(tables, projectId, type))
      const settings = settingsOf(reserved)
      await this.#provisioner.create({ name, ...settings, deploymentId: id, projectId, teamId, environment })
    } catch (error) {
      await this.#takeBack(name, undo)
      throw error instanceof PlatformError ? error : new Error(`Provisioning ${name} failed.`, { cause: error })
    }
    const made = await this.#store.mutate('deployment is ready', async (tables) => {
      const deployment = await tables.deployments.find('byName', [name])
      if (deployment === undefined) return undefined
      const { replaced, reference } = await this.#replacePreviews(tables, deployment)
      await tables.deployments.patch(deployment._id, { state: 'ready', reference })
      return { ready: { ...deployment, reference, state: 'ready' as const }, replaced }
    })
    // Its project was deleted meanwhile; the removal queued then is waiting for us.
    if (made === undefined) throw deploymentNotFound(name)
    this.#accessTokens.announce(made.replaced.revoked)
    this.#creating.delete(name)
    await this.removeFolders(made.replaced.names)
    return made.ready
  }

  /** A preview takes the place and the reference of older ones of the same thing, in the moment that it is ready. */
  async #replacePreviews(
    tables: Writer,
    deployment: Stored<DeploymentRecord>,
  ): Promise<{
    readonly reference: string
    readonly replaced: { readonly names: readonly string[]; readonly revoked: Revoked }
  }> {
    const { id, projectId, previewIdentifier } = deployment
    if (previewIdentifier === null || previewIdentifier === undefined) {
      return { reference: deployment.reference, replaced: { names: [], revoked: [] } }
    }
    const older = (await listPreviews(tables, projectId, previewIdentifier)).filter((other) => other.id < id)
    const revoked = await this.deleteRecords(tables, older)
    const reference = await generateReference(tables, { ...deployment, previewIdentifier }, id)
    return { reference, replaced: { names: older.map(({ name }) => name), revoked } }
  }

  async #takeBack(name: string, undo?: (tables: Writer) => Promise<void>): Promise<void> {
    await this.#store.mutate('take back deployment', async (tables) => {
      const deployment = await tables.deployments.find('byName', [name])
      if (deployment !== undefined) await this.deleteRecords(tables, [deployment])
      await undo?.(tables)
    })
    this.#creating.delete(name)
    await this.removeFolders([name])
  }

  async #pickName(tables: Reader): Promise<string> {
    for (let attempt = 0; attempt < controlPlaneLimits.maxNameAttempts; attempt++) {
      const name = createDeploymentName(this.#random)
      const taken = (await tables.deployments.find('byName', [name])) ?? (await tables.removals.find('byName', [name]))
      if (taken === undefined) return name
    }
    throw new Error('Found no free deployment name.')
  }
}

async function findByNumber(tables: Reader, projectId: number, id: number): Promise<DeploymentRecord> {
  const deployment = await tables.deployments.find('byProject', [projectId, id])
  if (deployment !== undefined) return deployment
  throw new NotFound('DeploymentNotFound', 'What this request created before has been deleted since.')
}

/** What the provisioner has to know of a deployment. */
function settingsOf({ type, sendLogsToClient }: DeploymentRecord): DeploymentSettings {
  return { type, isRedacted: !(sendLogsToClient ?? type !== 'prod') }
}
