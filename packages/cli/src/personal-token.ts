/** `concave personal-token create`: through the running server, or directly on the data directory when none runs. */
import { BadRequest } from '@concave/base'
import { serveOptions } from './options.ts'
import { callOperatorSocket } from './operator-socket.ts'
import { openPlatform } from './platform.ts'

/** The token, which is shown nowhere else. Throws `InvalidOption`, `MemberNotFound`. */
export async function createPersonalToken(options: {
  readonly member: string
  readonly tokenName: string
  readonly dataDir: string | undefined
}): Promise<string> {
  const { member, tokenName } = options
  if (!/^[1-9]\d{0,14}$/.test(member)) throw new BadRequest('InvalidOption', `--member ${member} must be a number.`)
  const memberId = Number(member)
  const dataDir = options.dataDir ?? serveOptions.data.default
  const answered = await callOperatorSocket(dataDir, { name: 'createPersonalToken', memberId, tokenName })
  if (typeof answered === 'string') return answered
  await using platform = await openPlatform({ dataDir, logLevel: 'warn' })
  return await platform.controlPlane.createPersonalAccessToken({ memberId, name: tokenName })
}
