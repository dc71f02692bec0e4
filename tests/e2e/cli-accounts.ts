/** A person's command line: logged in with a token of the team, in an app folder of its own. */
import { type AppFolder, type Cli, type CliAccess, openAppFolder, openCli, type TestServer } from '@concave/testing'

export type Workplace = AsyncDisposable & { readonly app: AppFolder; readonly cli: Cli }

/** `more`: further environment variables, such as a key. `token` is what the command line is told to use. */
export async function openWorkplace(
  server: Pick<TestServer, 'url' | 'accessToken'>,
  options: { readonly folder: string; readonly more?: CliAccess; readonly isLoggedIn?: boolean },
): Promise<Workplace> {
  const app = await openAppFolder({ from: options.folder })
  const cli = await openCli(app, {
    CONVEX_PROVISION_HOST: server.url,
    CONVEX_VERSION_API_ORIGIN: server.url,
    CONVEX_ALLOW_ANONYMOUS: 'false',
    ...options.more,
  })
  if (options.isLoggedIn === true) {
    await cli.succeed('login', '--override-access-token', server.accessToken, '--no-open', '--device-name', 'test')
  }
  return { app, cli, [Symbol.asyncDispose]: async () => await app[Symbol.asyncDispose]() }
}

/** A call of the Management API that must succeed. */
export async function manage<Body = unknown>(
  server: Pick<TestServer, 'url' | 'accessToken'>,
  path: string,
  body?: object,
): Promise<Body> {
  const response = await fetch(`${server.url}/v1${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${server.accessToken}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
  return (text === '' ? undefined : JSON.parse(text)) as Body
}
