/** What a key may be allowed to do at a deployment (management-api §3.5). */
export const deploymentActions = [
  'deployment:deploy',
  'deployment:env:view',
  'deployment:env:write',
  'deployment:pause',
  'deployment:unpause',
  'deployment:logs:view',
  'deployment:metrics:view',
  'deployment:integrations:view',
  'deployment:integrations:write',
  'deployment:data:view',
  'deployment:data:write',
  'deployment:backups:view',
  'deployment:backups:create',
  'deployment:backups:download',
  'deployment:backups:delete',
  'deployment:backups:import',
  'deployment:functions:actAsUser',
  'deployment:functions:runInternalQueries',
  'deployment:functions:runInternalMutations',
  'deployment:functions:runInternalActions',
  'deployment:functions:runTestQuery',
  'deployment:auditLog:view',
  'deployment:usageLimits:view',
  'deployment:usageLimits:write',
  'deployment:usage:view',
] as const

export type DeploymentAction = (typeof deploymentActions)[number]

/** The actions of a read-only key. */
export const readOnlyActions: readonly DeploymentAction[] = [
  'deployment:env:view',
  'deployment:logs:view',
  'deployment:metrics:view',
  'deployment:integrations:view',
  'deployment:data:view',
  'deployment:backups:view',
  'deployment:backups:download',
  'deployment:functions:runInternalQueries',
  'deployment:functions:runTestQuery',
  'deployment:auditLog:view',
  'deployment:usageLimits:view',
  'deployment:usage:view',
]

/** What a key may do: stored as `all`, for an empty list must never come to mean everything by accident. */
export type AllowedActions = 'all' | readonly string[]

export function isAllowed(allowed: AllowedActions, action: DeploymentAction): boolean {
  return allowed === 'all' || allowed.includes(action)
}

/** A key that may do no more than look. */
export function isReadOnlySet(allowed: AllowedActions): boolean {
  const looks: readonly string[] = readOnlyActions
  return allowed !== 'all' && allowed.every((action) => looks.includes(action))
}

/** The name of an action in the answers of deployments. */
export function operationOf(action: DeploymentAction): string {
  return operations[action]
}

const operations: Readonly<Record<DeploymentAction, string>> = {
  'deployment:deploy': 'Deploy',
  'deployment:env:view': 'ViewEnvironmentVariables',
  'deployment:env:write': 'WriteEnvironmentVariables',
  'deployment:pause': 'PauseDeployment',
  'deployment:unpause': 'UnpauseDeployment',
  'deployment:logs:view': 'ViewLogs',
  'deployment:metrics:view': 'ViewMetrics',
  'deployment:integrations:view': 'ViewIntegrations',
  'deployment:integrations:write': 'WriteIntegrations',
  'deployment:data:view': 'ViewData',
  'deployment:data:write': 'WriteData',
  'deployment:backups:view': 'ViewBackups',
  'deployment:backups:create': 'CreateBackups',
  'deployment:backups:download': 'DownloadBackups',
  'deployment:backups:delete': 'DeleteBackups',
  'deployment:backups:import': 'ImportBackups',
  'deployment:functions:actAsUser': 'ActAsUser',
  'deployment:functions:runInternalQueries': 'RunInternalQueries',
  'deployment:functions:runInternalMutations': 'RunInternalMutations',
  'deployment:functions:runInternalActions': 'RunInternalActions',
  'deployment:functions:runTestQuery': 'RunTestQuery',
  'deployment:auditLog:view': 'ViewAuditLog',
  'deployment:usageLimits:view': 'ViewUsageLimits',
  'deployment:usageLimits:write': 'WriteUsageLimits',
  'deployment:usage:view': 'ViewUsage',
}
