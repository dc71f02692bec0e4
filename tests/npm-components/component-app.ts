/** Apps of this folder, pushed by the official CLI with the packages of this folder, and their functions. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot, type TestServer, waitFor } from '@concave/testing'
import { mutation, post, query } from '../e2e/http-calls.ts'
import { type PushedApp, pushApp } from '../e2e/pushed-app.ts'

/** Work in the background takes several functions a step, each of which waits its turn on a busy machine. */
const patienceMs = 45_000

const folder = join(repositoryRoot, 'tests/npm-components')

export type ComponentApp = AsyncDisposable &
  Pick<PushedApp, 'url' | 'deployKey' | 'cli' | 'push'> & {
    /** Where the app's HTTP actions are. */
    readonly siteUrl: string
    query<T = unknown>(path: string, args?: object): Promise<T>
    mutation<T = unknown>(path: string, args?: object): Promise<T>
    action<T = unknown>(path: string, args?: object): Promise<T>
    /** The first value of a query for which `holds`. */
    queryUntil<T>(path: string, args: object, holds: (value: T) => boolean): Promise<T>
  }

export async function pushComponentApp(
  server: Pick<TestServer, 'url' | 'teamId' | 'accessToken'>,
  name: 'components' | 'workflow' | 'agent' | 'better-auth',
  env: Readonly<Record<string, string>> = {},
): Promise<ComponentApp> {
  const nodeModules = join(folder, 'node_modules')
  if (!existsSync(nodeModules)) throw new Error('The components are not installed; `npm test` installs them.')
  return componentApp(await pushApp(server, { folder: join(folder, 'apps', name), name, nodeModules, env }))
}

export function componentApp(
  app: AsyncDisposable & Pick<PushedApp, 'url' | 'deployKey' | 'cli' | 'push'>,
): ComponentApp {
  const ask = async (path: string, args: object = {}): Promise<unknown> => await query(app.url, path, args)
  return {
    url: app.url,
    siteUrl: siteUrlOf(app.url),
    deployKey: app.deployKey,
    cli: app.cli,
    push: app.push,
    query: async <T>(path: string, args?: object) => (await ask(path, args)) as T,
    mutation: async <T>(path: string, args?: object) => (await mutation(app.url, path, args)) as T,
    action: async <T>(path: string, args: object = {}) => {
      const { body } = await post(app.url, '/api/action', { path, args, format: 'json' })
      if (body.status === 'success') return body.value as T
      throw new Error(`${path} failed: ${JSON.stringify(body)}`)
    },
    queryUntil: async <T>(path: string, args: object, holds: (value: T) => boolean) => {
      let last: unknown
      const look = async (): Promise<T | undefined> => {
        last = await ask(path, args)
        return holds(last as T) ? (last as T) : undefined
      }
      try {
        return await waitFor(path, look, patienceMs)
      } catch (error) {
        throw new Error(`${path} went on to say ${JSON.stringify(last)}`, { cause: error })
      }
    },
    [Symbol.asyncDispose]: async () => await app[Symbol.asyncDispose](),
  }
}

/** The port after the API's. */
function siteUrlOf(url: string): string {
  const site = new URL(url)
  site.port = String(Number(site.port) + 1)
  return site.origin
}
