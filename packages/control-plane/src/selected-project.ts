/** The project that the command line works in: by slugs, or the one that owns a deployment, on this server or a local one. */
import { getDeployment, getPreviewedProjectBySlug } from './access.ts'
import type { ProjectSelection } from './cli-route.ts'
import { findOwnLocal } from './local-deployments.ts'
import type { Principal } from './principal.ts'
import type { Reader } from './store.ts'

/**
 * Its number; also for keys that may only make previews in it, so what is done there must ask for more. Throws 404
 * `TeamNotFound`, `ProjectNotFound`, `DeploymentNotFound`.
 */
export async function selectProjectId(
  tables: Reader,
  principal: Principal,
  selection: ProjectSelection,
): Promise<number> {
  switch (selection.kind) {
    case 'teamAndProjectSlugs': {
      const names = { team: selection.teamSlug, project: selection.projectSlug }
      return (await getPreviewedProjectBySlug(tables, principal, names)).id
    }
    case 'deploymentName':
      return await owningProjectId(tables, principal, selection.deploymentName)
  }
}

/** Throws 404 `DeploymentNotFound`. */
export async function owningProjectId(tables: Reader, principal: Principal, name: string): Promise<number> {
  const local = await findOwnLocal(tables, principal, name)
  return local?.projectId ?? (await getDeployment(tables, principal, name)).projectId
}
