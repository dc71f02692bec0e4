/** A whole platform in this process, started by the code of `npm start`, on ports and a data folder of its own. */
import { randomInt } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { assert } from '@concave/base'
import { type RunningServer, serve, type ServeConfig } from '@concave/cli'
import { makeTemporaryFolder } from './temporary-folder.ts'

export type PortRange = { readonly first: number; readonly last: number }

const portsPerServer = 40
const lowestPort = 10_000
const highestPort = 19_000

/** Below the ports that `npm start` and the system hand out. What others hold of it is left out when ports are bound. */
export function pickPortRange(): PortRange {
  const first = randomInt(lowestPort / 2, highestPort / 2) * 2
  return { first, last: first + portsPerServer - 1 }
}

export type TestServer = AsyncDisposable & {
  readonly url: string
  readonly teamId: number
  /** Of the first team; full access to the control plane. */
  readonly accessToken: string
  readonly dataDir: string
  close(): Promise<void>
}

export async function startTestServer(
  options: { readonly logLevel?: ServeConfig['logLevel']; readonly privateFetch?: ServeConfig['privateFetch'] } = {},
): Promise<TestServer> {
  const dataDir = await makeTemporaryFolder('data')
  const server: RunningServer = await serve({
    port: 0,
    host: '127.0.0.1',
    dataDir,
    bootstrapFile: undefined,
    deploymentPorts: pickPortRange(),
    privateFetch: options.privateFetch ?? 'auto',
    logLevel: options.logLevel ?? 'error',
  })
  assert(server.bootstrap !== undefined, 'A new data folder starts with a bootstrap.')
  const close = async (): Promise<void> => {
    await server.close()
    await rm(dataDir, { recursive: true, force: true })
  }
  return {
    url: server.url,
    teamId: server.bootstrap.team.id,
    accessToken: server.bootstrap.accessToken,
    dataDir,
    close,
    [Symbol.asyncDispose]: close,
  }
}
