/** Every operation of the Management API that this server has. */
import { createAccessToken } from './api/create-access-token.ts'
import { createDeployKey } from './api/create-deploy-key.ts'
import { createDeployment } from './api/create-deployment.ts'
import { createPersonalAccessToken } from './api/create-personal-access-token.ts'
import { createPreviewDeployKey } from './api/create-preview-deploy-key.ts'
import { createProject } from './api/create-project.ts'
import { createTeam } from './api/create-team.ts'
import { deleteAccessToken } from './api/delete-access-token.ts'
import { deleteDeployKey } from './api/delete-deploy-key.ts'
import { deleteDeployment } from './api/delete-deployment.ts'
import { deletePersonalAccessToken } from './api/delete-personal-access-token.ts'
import { deletePreviewDeployKey } from './api/delete-preview-deploy-key.ts'
import { deleteProject } from './api/delete-project.ts'
import { ensureDeployment } from './api/ensure-deployment.ts'
import { findDeployment, findDeploymentBySlug } from './api/find-deployment.ts'
import { getDeployment } from './api/get-deployment.ts'
import { getProjectBySlug } from './api/get-project-by-slug.ts'
import { getProject } from './api/get-project.ts'
import { getTokenDetails } from './api/get-token-details.ts'
import { listAccessTokens } from './api/list-access-tokens.ts'
import { listAllProjects } from './api/list-all-projects.ts'
import { listDefaultVariables } from './api/list-default-variables.ts'
import { listDeployKeys } from './api/list-deploy-keys.ts'
import { listDeploymentClasses } from './api/list-deployment-classes.ts'
import { listDeploymentRegions } from './api/list-deployment-regions.ts'
import { listDeployments } from './api/list-deployments.ts'
import { listLocalDeployments } from './api/list-local-deployments.ts'
import { listPersonalAccessTokens } from './api/list-personal-access-tokens.ts'
import { listPreviewDeployKeys } from './api/list-preview-deploy-keys.ts'
import { listProjects } from './api/list-projects.ts'
import { listTeamDeployments } from './api/list-team-deployments.ts'
import { rotateAccessToken } from './api/rotate-access-token.ts'
import { rotateDeployKey } from './api/rotate-deploy-key.ts'
import { rotatePersonalAccessToken } from './api/rotate-personal-access-token.ts'
import { rotatePreviewDeployKey } from './api/rotate-preview-deploy-key.ts'
import { transferDeployment } from './api/transfer-deployment.ts'
import { updateDefaultVariables } from './api/update-default-variables.ts'
import { updateDeployment } from './api/update-deployment.ts'
import { updateProject } from './api/update-project.ts'
import type { Operation } from './operation.ts'

export const operations: readonly Operation[] = [
  createAccessToken,
  createDeployKey,
  createDeployment,
  createPersonalAccessToken,
  createPreviewDeployKey,
  createProject,
  createTeam,
  deleteAccessToken,
  deleteDeployKey,
  deleteDeployment,
  deletePersonalAccessToken,
  deletePreviewDeployKey,
  deleteProject,
  ensureDeployment,
  findDeployment,
  findDeploymentBySlug,
  getDeployment,
  getProject,
  getProjectBySlug,
  getTokenDetails,
  listAccessTokens,
  listAllProjects,
  listDefaultVariables,
  listDeployKeys,
  listDeploymentClasses,
  listDeploymentRegions,
  listDeployments,
  listLocalDeployments,
  listPersonalAccessTokens,
  listPreviewDeployKeys,
  listProjects,
  listTeamDeployments,
  rotateAccessToken,
  rotateDeployKey,
  rotatePersonalAccessToken,
  rotatePreviewDeployKey,
  transferDeployment,
  updateDefaultVariables,
  updateDeployment,
  updateProject,
]
