/** Composes one running deployment: functions, pushes, system functions, HTTP and sync on one database. */
export { Deployment, type DeploymentOptions } from './deployment.ts'
export { fileTables } from './files/file-rows.ts'
export type { KeyVerdict, KeyVerifier } from './access.ts'
export type { DeploymentInfo } from './api/admin-routes.ts'
export { searchVectors } from './functions/vector-search.ts'
