/** Every route of the command line's own API that this server has. */
import { authorizeProd } from './cli-api/authorize-prod.ts'
import { authorizeWithinCurrentProject } from './cli-api/authorize-within-current-project.ts'
import { authorize } from './cli-api/authorize.ts'
import { existingDev } from './cli-api/existing-dev.ts'
import { hasProjects } from './cli-api/has-projects.ts'
import { createProjectAndAuthorize, login } from './cli-api/early-command-lines.ts'
import {
  enableFeatureMetadata,
  pauseLocalDeployment,
  recordLocalActivity,
  startLocalDeployment,
} from './cli-api/local-deployments.ts'
import { cloudOnlyRoutes, hasAssociatedWorkosTeam, selfHostedEvent } from './cli-api/not-here.ts'
import { acceptOptIns, checkOptIns } from './cli-api/opt-ins.ts'
import { authorizePreview, claimPreviewDeployment } from './cli-api/previews.ts'
import { provisionAndAuthorize } from './cli-api/provision-and-authorize.ts'
import { teamAndProject, teamAndProjectForKey } from './cli-api/team-and-project.ts'
import { projectDeployments, teamProjects } from './cli-api/team-projects.ts'
import { teams } from './cli-api/teams.ts'
import { urlForKey } from './cli-api/url-for-key.ts'
import { spendingLimits, teamUsageState, usageQuery } from './cli-api/usage.ts'
import type { CliRoute } from './cli-route.ts'

export const cliRoutes: readonly CliRoute[] = [
  acceptOptIns,
  authorize,
  authorizePreview,
  authorizeProd,
  authorizeWithinCurrentProject,
  checkOptIns,
  claimPreviewDeployment,
  createProjectAndAuthorize,
  enableFeatureMetadata,
  existingDev,
  hasAssociatedWorkosTeam,
  hasProjects,
  login,
  pauseLocalDeployment,
  projectDeployments,
  provisionAndAuthorize,
  recordLocalActivity,
  selfHostedEvent,
  spendingLimits,
  startLocalDeployment,
  teamAndProject,
  teamAndProjectForKey,
  teamProjects,
  teams,
  teamUsageState,
  urlForKey,
  usageQuery,
  ...cloudOnlyRoutes,
]
