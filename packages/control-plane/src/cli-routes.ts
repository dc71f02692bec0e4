/** Every route of the command line's own API that this server has. */
import { authorizeProd } from './cli-api/authorize-prod.ts'
import { authorizeWithinCurrentProject } from './cli-api/authorize-within-current-project.ts'
import { authorize } from './cli-api/authorize.ts'
import { existingDev } from './cli-api/existing-dev.ts'
import { hasProjects } from './cli-api/has-projects.ts'
import { enableFeatureMetadata, startLocalDeployment } from './cli-api/local-deployments.ts'
import { acceptOptIns, checkOptIns } from './cli-api/opt-ins.ts'
import { authorizePreview, claimPreviewDeployment } from './cli-api/previews.ts'
import { provisionAndAuthorize } from './cli-api/provision-and-authorize.ts'
import { teamAndProject, teamAndProjectForKey } from './cli-api/team-and-project.ts'
import { teams } from './cli-api/teams.ts'
import { urlForKey } from './cli-api/url-for-key.ts'
import { spendingLimits, teamUsageState } from './cli-api/usage.ts'
import type { CliRoute } from './cli-route.ts'

export const cliRoutes: readonly CliRoute[] = [
  acceptOptIns,
  authorize,
  authorizePreview,
  authorizeProd,
  authorizeWithinCurrentProject,
  checkOptIns,
  claimPreviewDeployment,
  enableFeatureMetadata,
  existingDev,
  hasProjects,
  provisionAndAuthorize,
  spendingLimits,
  startLocalDeployment,
  teamAndProject,
  teamAndProjectForKey,
  teams,
  teamUsageState,
  urlForKey,
]
