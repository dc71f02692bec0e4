/** Deployments of a project by what they are to it: by reference, the default of a type, the preview of something. */
import type { Principal } from './principal.ts'
import type { DeploymentRecord, ProjectRecord } from './records.ts'
import type { Reader, Stored } from './store.ts'

export type DeploymentSelector =
  | { readonly kind: 'reference'; readonly reference: string }
  | { readonly kind: 'defaultProd' }
  | { readonly kind: 'defaultDev' }

/** Ready or not. */
export async function findSelected(
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

/** All previews of `identifier`, ready or not, the newest first: while one replaces another there are two. */
export async function listPreviews(
  tables: Reader,
  projectId: number,
  identifier: string,
): Promise<readonly Stored<DeploymentRecord>[]> {
  return await tables.deployments.list('byProjectAndPreview', [projectId, identifier], { order: 'desc' })
}
