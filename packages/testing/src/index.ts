/**
 * What end-to-end tests and benchmarks share: whole servers on ports of their own (in this process or as a child),
 * projects with keys, app folders, and the official CLI as a child process. Only tests import it.
 */
export { openAppFolder, type AppFolder } from './app-folder.ts'
export {
  openCli,
  deployKeyAccess,
  selfHostedAccess,
  type Cli,
  type CliAccess,
  type CliRun,
  type RunningCli,
} from './convex-cli.ts'
export { pinnedNode, repositoryRoot, startChild, type RunningChild } from './child-process.ts'
export { createProject, type TestProject } from './test-project.ts'
export {
  readBootstrapFile,
  runAdminKeyCreate,
  runPersonalTokenCreate,
  startServerProcess,
  type ServerProcess,
} from './server-process.ts'
export { pickPortRange, startTestServer, type TestServer } from './test-server.ts'
export { makeTemporaryFolder } from './temporary-folder.ts'
export { waitFor } from './wait-for.ts'
