/**
 * Deployments: reserved in a transaction, made by the provisioner, then ready. A deletion is one transaction that also
 * queues the removal of the folder; what a crash interrupts, creation or removal, `resumePending` finishes.
 */
import { BadRequest, NotFound, PlatformError, type Clock, type Log, type Random } from '@concave/base'
import { deploymentNotFound, getDeployment, getProject } from './access.ts'
import type { AccessTokens } from './access-tokens.ts'
import { createDeploymentName } from './deployment-names.ts'
import { controlPlaneLimits } from './limits.ts'
import { nextId } from './next-id.ts'
import type { Principal } from './principal.ts'
import type { Provisioner } from './provisioner.ts'
import type { AccessTokenRecord, DeploymentRecord, DeploymentType, ProjectRecord } from './records.ts'
import { checkReference } from './references.ts'
import { firstFree, slugify } from './slugs.ts'
import type { Reader, Store, Stored, Writer } from './store.ts'

/** Previews come with their own keys, claims and expiry, which this server does not have yet. */
export type CreatableType = Exclude<DeploymentType, 'preview'>

export type NewDeployment = {
  readonly type: CreatableType
  readonly reference?: string | undefined
  readonly isDefault?: boolean | undefined
}

export type DeploymentSelector =
  | { readonly kind: 'reference'; readonly reference: string }
  | { readonly kind: 'defaultProd' }
  | { readonly kind: 'defaultDev' }

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

  async create(principal: Principal, projectId: number, request: NewDeployment): Promise<DeploymentRecord> {
    const reserved = await this.#store.mutate('create deployment', async (tables) => {
      const project = await getProject(tables, principal, projectId)
      return await this.reserve(tables, project, principal.memberId, request)
    })
    return await this.finish(reserved)
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
    if (outcome.isNew) return await this.finish(outcome.deployment)
    if (outcome.deployment.state === 'ready') return outcome.deployment
    const underWay = this.#creating.get(outcome.deployment.name)
    if (underWay !== undefined) return await underWay
    // It became ready, or failed, between our transaction and this line.
    return await this.get(principal, outcome.deployment.name)
  }

  /** Writes the record of a deployment that `finish` then makes. Throws 400 for a bad reference or second default. */
  async reserve(
    tables: Writer,
    project: ProjectRecord,
    memberId: number,
    request: NewDeployment,
  ): Promise<DeploymentRecord> {
    const { type } = request
    const isDefault = request.isDefault ?? (type !== 'custom' && request.reference === undefined)
    if (isDefault) await checkDefault(tables, project, type, memberId)
    const name = await this.#pickName(tables)
    const deployment: DeploymentRecord = {
      id: await nextId(tables, 'deployment'),
      name,
      projectId: project.id,
      teamId: project.teamId,
      type,
      reference: await pickReference(tables, project, request, { name, memberId }),
      isDefault,
      creator: memberId,
      createTime: this.#clock.nowMs(),
      state: 'creating',
    }
    await tables.deployments.insert(deployment)
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
    const { creating, removals } = await this.#store.read(async (tables) => ({
      creating: await tables.deployments.list('byState', ['creating']),
      removals: await tables.removals.list('byName', []),
    }))
    await this.removeFolders(removals.map(({ name }) => name))
    for (const deployment of creating) {
      try {
        await this.finish(deployment)
      } catch (error) {
        this.#log.error({ err: error, deployment: deployment.name }, 'Could not finish creating a deployment.')
      }
    }
  }

  async #provision(reserved: DeploymentRecord, undo?: (tables: Writer) => Promise<void>): Promise<DeploymentRecord> {
    const { name, type, id, projectId, teamId } = reserved
    try {
      await this.#provisioner.create({ name, type, deploymentId: id, projectId, teamId })
    } catch (error) {
      await this.#takeBack(name, undo)
      throw error instanceof PlatformError ? error : new Error(`Provisioning ${name} failed.`, { cause: error })
    }
    const ready = await this.#store.mutate('deployment is ready', async (tables) => {
      const deployment = await tables.deployments.find('byName', [name])
      if (deployment === undefined) return undefined
      await tables.deployments.patch(deployment._id, { state: 'ready' })
      return { ...deployment, state: 'ready' as const }
    })
    // Its project was deleted meanwhile; the removal queued then is waiting for us.
    if (ready === undefined) throw deploymentNotFound(name)
    return ready
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

async function findSelected(
  tables: Reader,
  principal: Principal,
  project: ProjectRecord,
  selector: DeploymentSelector,
): Promise<DeploymentRecord | undefined> {
  switch (selector.kind) {
    case 'reference':
      return await tables.deployments.find('byProjectAndReference', [project.id, selector.reference])
    case 'defaultProd':
      return await findDefault(tables, project.id, 'prod', principal.memberId)
    case 'defaultDev':
      return await findDefault(tables, project.id, 'dev', principal.memberId)
  }
}

/** Ready or not. The default dev deployment is the member's own. */
export async function findDefault(
  tables: Reader,
  projectId: number,
  type: 'dev' | 'prod',
  memberId: number,
): Promise<DeploymentRecord | undefined> {
  return pickDefault(await tables.deployments.list('byProject', [projectId]), type, memberId)
}

/** The same among the deployments of a project that were read already. */
export function pickDefault(
  deployments: readonly DeploymentRecord[],
  type: 'dev' | 'prod',
  memberId: number,
): DeploymentRecord | undefined {
  return deployments.find(
    (deployment) =>
      deployment.isDefault && deployment.type === type && (type === 'prod' || deployment.creator === memberId),
  )
}

async function checkDefault(
  tables: Reader,
  project: ProjectRecord,
  type: CreatableType,
  memberId: number,
): Promise<void> {
  if (type === 'custom') {
    throw new BadRequest('InvalidDefaultDeployment', 'A custom deployment cannot be a default deployment.')
  }
  const existing = await findDefault(tables, project.id, type, memberId)
  if (existing === undefined) return
  const whose = type === 'dev' ? 'You already have' : 'The project already has'
  throw new BadRequest(
    'DefaultDeploymentExists',
    `${whose} a default ${type} deployment, ${existing.name}. Give a reference, or pass isDefault: false.`,
  )
}

async function pickReference(
  tables: Reader,
  project: ProjectRecord,
  request: NewDeployment,
  own: { readonly name: string; readonly memberId: number },
): Promise<string> {
  const isTaken = async (reference: string): Promise<boolean> =>
    (await tables.deployments.find('byProjectAndReference', [project.id, reference])) !== undefined
  if (request.reference !== undefined) {
    checkReference(request.reference)
    if (!(await isTaken(request.reference))) return request.reference
    throw new BadRequest(
      'DuplicateReference',
      `The project already has a deployment with the reference ${request.reference}.`,
    )
  }
  const base = await generateReference(tables, request.type, own)
  return await firstFree(base, controlPlaneLimits.maxReferenceLength, isTaken)
}

async function generateReference(
  tables: Reader,
  type: CreatableType,
  own: { readonly name: string; readonly memberId: number },
): Promise<string> {
  switch (type) {
    case 'prod':
      return 'production'
    case 'custom':
      return `custom/${own.name}`
    case 'dev': {
      const member = await tables.members.find('byNumber', [own.memberId])
      return `dev/${slugify(member?.name ?? '', 'member')}`
    }
  }
}
