/** Environment variables that new deployments of a project start with, by type. Copied when a deployment is created. */
import { BadRequest, Forbidden } from '@concave/base'
import { isAllowed } from '@concave/protocol'
import { getDeployment, getProject } from './access.ts'
import { controlPlaneLimits } from './limits.ts'
import type { Principal } from './principal.ts'
import type { DefaultVariableRecord, DeploymentType } from './records.ts'
import type { Reader, Store, Stored } from './store.ts'

/** `value` null or absent removes the variable; removing one that is not there is fine. */
export type DefaultVariableChange = {
  readonly name: string
  readonly deploymentType: DeploymentType
  readonly value?: string | null
}

export class DefaultVariables {
  readonly #store: Store

  constructor(deps: { readonly store: Store }) {
    this.#store = deps.store
  }

  /** By name. A key of one deployment sees what deployments of that type start with, nothing else. */
  async list(
    principal: Principal,
    projectId: number,
    filter: { readonly name: string | undefined; readonly type: DeploymentType | undefined },
  ): Promise<readonly DefaultVariableRecord[]> {
    return await this.#store.read(async (tables) => {
      const ownType = await checkView(tables, principal, projectId)
      const key = filter.name === undefined ? [projectId] : [projectId, filter.name]
      const rows = await tables.defaultVariables.list('byProject', key)
      return rows.filter(
        ({ deploymentType }) =>
          (filter.type === undefined || deploymentType === filter.type) &&
          (ownType === undefined || deploymentType === ownType),
      )
    })
  }

  /** All changes or none. Throws 400 `EnvironmentVariable…`, `EnvVarNameNotUnique`, `EnvVarLimitMet`. */
  async update(principal: Principal, projectId: number, changes: readonly DefaultVariableChange[]): Promise<void> {
    checkChanges(changes)
    await this.#store.mutate('update default environment variables', async (tables) => {
      const project = await getProject(tables, principal, projectId)
      const before = await tables.defaultVariables.list('byProject', [project.id])
      const after = new Map(before.map((row) => [keyOf(row), row as DefaultVariableRecord]))
      for (const { name, deploymentType, value } of changes) {
        const key = keyOf({ name, deploymentType })
        const existing = before.find((row) => keyOf(row) === key)
        after.delete(key)
        if (existing !== undefined) await tables.defaultVariables.remove(existing._id)
        if (value === null || value === undefined) continue
        const row = { projectId: project.id, deploymentType, name, value }
        after.set(key, row)
        await tables.defaultVariables.insert(row)
      }
      checkTotals([...after.values()])
    })
  }
}

/** The only type that a key of one deployment may look at. Throws 404, 403 for a key that may not see variables. */
async function checkView(tables: Reader, principal: Principal, projectId: number): Promise<DeploymentType | undefined> {
  if (principal.kind !== 'deployment') {
    await getProject(tables, principal, projectId)
    return undefined
  }
  const own = await getDeployment(tables, principal, principal.deploymentName)
  // Throws 404: nobody holds another project by a key of one deployment.
  if (own.projectId !== projectId) await getProject(tables, principal, projectId)
  const action = 'deployment:env:view'
  if (isAllowed(principal.token.allowedActions, action)) return own.type
  throw new Forbidden('OperationNotPermitted', `You do not have permission to perform this operation (${action}).`)
}

/** What a deployment of `type` starts with. */
export async function readDefaultVariables(
  tables: Reader,
  projectId: number,
  type: DeploymentType,
): Promise<Readonly<Record<string, string>>> {
  const rows = await tables.defaultVariables.list('byProject', [projectId])
  const own = rows.filter(({ deploymentType }) => deploymentType === type)
  return Object.fromEntries(own.map(({ name, value }) => [name, value]))
}

function keyOf({ name, deploymentType }: Pick<Stored<DefaultVariableRecord>, 'name' | 'deploymentType'>): string {
  return `${deploymentType} ${name}`
}

function checkChanges(changes: readonly DefaultVariableChange[]): void {
  const { maxVariableNameLength, maxVariableValueBytes } = controlPlaneLimits
  const keys = new Set<string>()
  for (const change of changes) {
    const { name, deploymentType, value } = change
    if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) {
      throw new BadRequest(
        'EnvironmentVariableNameInvalid',
        `The environment variable name ${JSON.stringify(name.slice(0, maxVariableNameLength))} is not valid: it must ` +
          'start with a letter or underscore and contain only letters, digits and underscores.',
      )
    }
    if (name.length > maxVariableNameLength) {
      throw new BadRequest(
        'EnvironmentVariableNameTooLong',
        `The environment variable name "${name.slice(0, 40)}…" is longer than ${maxVariableNameLength} characters.`,
      )
    }
    if (Buffer.byteLength(value ?? '') > maxVariableValueBytes) {
      throw new BadRequest(
        'EnvironmentVariableValueTooLarge',
        `The value of the environment variable "${name}" is larger than ${maxVariableValueBytes} bytes.`,
      )
    }
    const key = keyOf(change)
    if (keys.has(key)) {
      throw new BadRequest(
        'EnvVarNameNotUnique',
        `The environment variable "${name}" of ${deploymentType} deployments is changed twice in one request.`,
      )
    }
    keys.add(key)
  }
}

function checkTotals(rows: readonly DefaultVariableRecord[]): void {
  const { maxDefaultVariablesPerType, maxDefaultVariablesBytes } = controlPlaneLimits
  const totals = new Map<DeploymentType, { count: number; bytes: number }>()
  for (const { deploymentType, name, value } of rows) {
    const total = totals.get(deploymentType) ?? { count: 0, bytes: 0 }
    total.count += 1
    total.bytes += Buffer.byteLength(name) + Buffer.byteLength(value)
    totals.set(deploymentType, total)
  }
  for (const [type, { count, bytes }] of totals) {
    if (count > maxDefaultVariablesPerType) {
      throw new BadRequest(
        'EnvVarLimitMet',
        `There may be at most ${maxDefaultVariablesPerType} default environment variables for ${type} deployments.`,
      )
    }
    if (bytes > maxDefaultVariablesBytes) {
      throw new BadRequest(
        'EnvVarTotalSizeLimitMet',
        `Default environment variables for ${type} deployments hold at most ${maxDefaultVariablesBytes} bytes in all.`,
      )
    }
  }
}
