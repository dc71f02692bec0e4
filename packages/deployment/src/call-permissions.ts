/**
 * What a key must be allowed to do for a call (management-api §3.5). Public functions are anybody's; system functions,
 * internal ones, and those of components need what they show or change.
 */
import type { Database } from '@concave/database'
import { displayFunctionPath, isAllowed, type DeploymentAction } from '@concave/protocol'
import type { FunctionCall } from '@concave/sync'
import { notPermitted } from './access.ts'
import type { CodeRegistry } from './functions/code-registry.ts'
import type { SystemFunctions } from './system/system-functions.ts'

const environment: DeploymentAction = 'deployment:env:view'

/** System functions that need something else than to see or change data; `undefined`: any key. */
const systemActions: ReadonlyMap<string, DeploymentAction | undefined> = new Map([
  ['_system/cli/queryEnvironmentVariables', environment],
  ['_system/cli/queryEnvironmentVariables:get', environment],
  ['_system/cli/environmentVariables', environment],
  ['_system/frontend/listEnvironmentVariables', environment],
  ['_system/cli/convexUrl:cloudUrl', undefined],
  ['_system/frontend/convexCloudUrl', undefined],
  ['_system/frontend/convexSiteUrl', undefined],
  ['_system/frontend/getVersion', undefined],
])

const internalActions = {
  query: 'deployment:functions:runInternalQueries',
  mutation: 'deployment:functions:runInternalMutations',
  action: 'deployment:functions:runInternalActions',
  httpAction: 'deployment:functions:runInternalActions',
} as const satisfies Record<string, DeploymentAction>

export class CallPermissions {
  readonly #database: Database
  readonly #registry: CodeRegistry
  readonly #system: SystemFunctions

  constructor(deps: {
    readonly database: Database
    readonly registry: CodeRegistry
    readonly system: SystemFunctions
  }) {
    this.#database = deps.database
    this.#registry = deps.registry
    this.#system = deps.system
  }

  /** What the caller's key is not allowed to and the call needs; undefined for calls without a key. */
  async findMissing(call: FunctionCall): Promise<DeploymentAction | undefined> {
    const { identity } = call
    if (identity.kind !== 'admin' || identity.allowedActions === 'all') return undefined
    const needed = await this.#findNeeded(call)
    return needed === undefined || isAllowed(identity.allowedActions, needed) ? undefined : needed
  }

  /** Throws 403 `OperationNotPermitted`. */
  async check(call: FunctionCall): Promise<void> {
    const missing = await this.findMissing(call)
    if (missing !== undefined) throw notPermitted(missing)
  }

  async #findNeeded({ path, componentPath }: FunctionCall): Promise<DeploymentAction | undefined> {
    if (this.#system.isSystemPath(path)) {
      const name = displayFunctionPath(path)
      if (systemActions.has(name)) return systemActions.get(name)
      return this.#system.kindOf(path) === 'mutation' ? 'deployment:data:write' : 'deployment:data:view'
    }
    const component = (await this.#registry.load(this.#database.begin('query'))).find(componentPath)
    const found = component?.code.find(path)
    if (found === undefined) return undefined
    if (componentPath !== '') return found.udfType === 'query' ? 'deployment:data:view' : 'deployment:data:write'
    return found.isPublic ? undefined : internalActions[found.udfType]
  }
}
