/** `concave serve`: starts the platform, says where it is, stops it cleanly. Tests start servers with the same code. */
import { chmod, writeFile } from 'node:fs/promises'
import { AlreadyExists, BadRequest, createLog } from '@concave/base'
import type { Bootstrap } from '@concave/control-plane'
import { type NodeHandler, type RunningServer as HttpServer, startServer } from '@concave/http'
import { type OperatorCommand, startOperatorSocket } from './operator-socket.ts'
import { parseServeConfig, type ServeConfig } from './options.ts'
import { startPlatform } from './platform.ts'
import { isAddressInUse } from './port-range.ts'
import { publicHost } from './public-host.ts'

export type RunningServer = {
  /** The control plane's origin, without a trailing slash. */
  readonly url: string
  /** Secrets of the first start; undefined at every later one. */
  readonly bootstrap: Bootstrap | undefined
  /** Resolves if the control plane's storage fails: then close and start again. */
  readonly failed: Promise<Error>
  close(): Promise<void>
}

export async function serve(config: ServeConfig): Promise<RunningServer> {
  const log = createLog({ level: config.logLevel })
  await using opened = new AsyncDisposableStack()
  const { controlPlane } = opened.use(await startPlatform(config, log))
  const server = opened.use(await listen(config, controlPlane.handler))
  const url = `http://${publicHost(config.host)}:${server.port}`
  const operator = await startOperatorSocket({
    dataDir: config.dataDir,
    log,
    run: async (command: OperatorCommand) => {
      switch (command.name) {
        case 'createAdminKey': {
          const { deployment: deploymentName, isReadOnly } = command
          return await controlPlane.createAdminKey({ deploymentName, isReadOnly })
        }
        case 'createPersonalToken': {
          const { memberId, tokenName: name } = command
          return await controlPlane.createPersonalAccessToken({ memberId, name })
        }
        default:
          throw new BadRequest('UnknownCommand', 'The server does not know this command.')
      }
    },
  })
  opened.defer(() => operator.close())
  const bootstrap = await controlPlane.bootstrap({ publicUrl: url })
  if (bootstrap !== undefined && config.bootstrapFile !== undefined) {
    await writeBootstrapFile(config.bootstrapFile, url, bootstrap)
  }
  const running = opened.move()
  return { url, bootstrap, failed: controlPlane.failed, close: async () => await running.disposeAsync() }
}

async function listen({ port, host }: ServeConfig, handler: NodeHandler): Promise<HttpServer> {
  try {
    return await startServer({ port, host, handler })
  } catch (error) {
    if (!isAddressInUse(error)) throw error
    const advice = 'Stop the program that has it, or choose another with --port.'
    throw new AlreadyExists('PortInUse', `Port ${port} of ${host} is in use or not allowed. ${advice}`, {
      cause: error,
    })
  }
}

/** Runs until a signal asks it to stop. */
export async function runServe(flags: Readonly<Record<string, unknown>>): Promise<void> {
  const config = parseServeConfig(flags)
  const server = await serve(config)
  console.log(describeServer(server, config))
  const signal = new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, resolve)
  })
  const reason = await Promise.race([signal, server.failed])
  if (reason instanceof Error) {
    console.error(`The control plane's storage failed: ${reason.message}. Start again; nothing acknowledged is lost.`)
    process.exitCode = 1
  }
  console.log(`Stopping${typeof reason === 'string' ? ` (${reason})` : ''} …`)
  await server.close()
  console.log('Stopped. All data is in the data directory.')
}

function describeServer({ url, bootstrap }: RunningServer, config: ServeConfig): string {
  const lines = ['Concave is running.', '', `  Control plane  ${url}`, `  Data           ${config.dataDir}`]
  if (bootstrap !== undefined) {
    const { team, accessToken, claimUrl } = bootstrap
    lines.push(
      `  Team           ${team.name} (id ${team.id}, slug ${team.slug})`,
      `  Access token   ${accessToken}`,
      `  Claim link     ${claimUrl}`,
      '',
      'The access token and the claim link are shown only this once: keep them now. The link lets one person take over',
      "the owner's account in the console, which is not part of this version yet.",
    )
  }
  lines.push('', 'Press Ctrl-C to stop.')
  return lines.join('\n')
}

async function writeBootstrapFile(path: string, url: string, { team, accessToken }: Bootstrap): Promise<void> {
  const content = { url, teamId: team.id, teamSlug: team.slug, accessToken }
  await writeFile(path, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600, flush: true })
  // An existing file keeps its mode when it is written.
  await chmod(path, 0o600)
}
