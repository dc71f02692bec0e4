/** Every operation of the Management API that this server has. */
import { createDeployKey } from './api/create-deploy-key.ts'
import { createDeployment } from './api/create-deployment.ts'
import { createPersonalAccessToken } from './api/create-personal-access-token.ts'
import { createProject } from './api/create-project.ts'
import { deleteDeployKey } from './api/delete-deploy-key.ts'
import { deleteDeployment } from './api/delete-deployment.ts'
import { deleteProject } from './api/delete-project.ts'
import { findDeployment, findDeploymentBySlug } from './api/find-deployment.ts'
import { getDeployment } from './api/get-deployment.ts'
import { getProjectBySlug } from './api/get-project-by-slug.ts'
import { getProject } from './api/get-project.ts'
import { getTokenDetails } from './api/get-token-details.ts'
import { listAllProjects } from './api/list-all-projects.ts'
import { listDeployKeys } from './api/list-deploy-keys.ts'
import { listDeploymentClasses } from './api/list-deployment-classes.ts'
import { listDeploymentRegions } from './api/list-deployment-regions.ts'
import { listDeployments } from './api/list-deployments.ts'
import { listProjects } from './api/list-projects.ts'
import { updateProject } from './api/update-project.ts'
import type { Operation } from './operation.ts'

export const operations: readonly Operation[] = [
  createDeployKey,
  createDeployment,
  createPersonalAccessToken,
  createProject,
  deleteDeployKey,
  deleteDeployment,
  deleteProject,
  findDeployment,
  findDeploymentBySlug,
  getDeployment,
  getProject,
  getProjectBySlug,
  getTokenDetails,
  listAllProjects,
  listDeployKeys,
  listDeploymentClasses,
  listDeploymentRegions,
  listDeployments,
  listProjects,
  updateProject,
]
