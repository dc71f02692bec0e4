/** An app on a deployment of its own, pushed by the official CLI: what most tests start from. */
import {
  type AppFolder,
  type Cli,
  createProject,
  deployKeyAccess,
  openAppFolder,
  openCli,
  type TestProject,
  type TestServer,
} from '@concave/testing'

export type PushedApp = AsyncDisposable &
  TestProject & {
    readonly url: string
    readonly app: AppFolder
    readonly cli: Cli
    /** Pushes what the folder holds now. Types are not checked: that is not what these tests are about. */
    push(): Promise<void>
  }

export async function pushApp(
  server: Pick<TestServer, 'url' | 'teamId' | 'accessToken'>,
  options: {
    readonly folder: string
    readonly type?: 'dev' | 'prod'
    readonly name?: string
    readonly nodeModules?: string
    readonly env?: Readonly<Record<string, string>>
  },
): Promise<PushedApp> {
  const { folder, type = 'dev', name = 'Pushed' } = options
  const project = await createProject(server, { name, type })
  const { nodeModules, env = {} } = options
  const app = await openAppFolder({ from: folder, ...(nodeModules === undefined ? {} : { nodeModules }) })
  const cli = await openCli(app, deployKeyAccess(server, project.deployKey))
  const command = type === 'dev' ? ['dev', '--once'] : ['deploy']
  const push = async (): Promise<void> => {
    await cli.succeed(...command, '--typecheck', 'disable')
  }
  for (const [variable, value] of Object.entries(env)) await cli.succeed('env', 'set', variable, value)
  await push()
  return {
    ...project,
    url: project.deploymentUrl,
    app,
    cli,
    push,
    [Symbol.asyncDispose]: async () => await app[Symbol.asyncDispose](),
  }
}
