/** `concave admin-key create`: through the running server, or directly on the data directory when none runs. */
import { serveOptions } from './options.ts'
import { callOperatorSocket } from './operator-socket.ts'
import { openPlatform } from './platform.ts'

export async function createAdminKey(options: {
  readonly deployment: string
  readonly isReadOnly: boolean
  readonly dataDir: string | undefined
}): Promise<string> {
  const { deployment, isReadOnly } = options
  const dataDir = options.dataDir ?? serveOptions.data.default
  const answered = await callOperatorSocket(dataDir, { name: 'createAdminKey', deployment, isReadOnly })
  if (typeof answered === 'string') return answered
  await using platform = await openPlatform({ dataDir, logLevel: 'warn' })
  return await platform.controlPlane.createAdminKey({ deploymentName: deployment, isReadOnly })
}
