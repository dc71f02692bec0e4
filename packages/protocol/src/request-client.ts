/** Where a request came from, as `ctx.meta.getRequestMetadata()` tells it. */
import { BlockList, isIP } from 'node:net'

export type RequestClient = { readonly ip: string | null; readonly userAgent: string | null }

/** Of runs that no request has started. */
export const noClient: RequestClient = { ip: null, userAgent: null }

/** Addresses of this machine and of private networks: what comes from there may be a proxy's. */
const ownNetworks = new BlockList()
ownNetworks.addSubnet('127.0.0.0', 8)
ownNetworks.addSubnet('10.0.0.0', 8)
ownNetworks.addSubnet('172.16.0.0', 12)
ownNetworks.addSubnet('192.168.0.0', 16)
ownNetworks.addSubnet('169.254.0.0', 16)
ownNetworks.addAddress('::1', 'ipv6')
ownNetworks.addSubnet('fc00::', 7, 'ipv6')
ownNetworks.addSubnet('fe80::', 10, 'ipv6')

type SentRequest = {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** Undefined for connections that have none, as on a socket file. */
  readonly remoteAddress: string | undefined
}

/** Who sent `request`. Nothing is read before it is asked for: most functions never ask. */
export function readRequestClient({ headers, remoteAddress }: SentRequest): RequestClient {
  return new SentClient({ headers, remoteAddress })
}

class SentClient implements RequestClient {
  readonly #request: SentRequest

  constructor(request: SentRequest) {
    this.#request = request
  }

  get ip(): string | null {
    return readAddresses(this.#request)
  }

  get userAgent(): string | null {
    const userAgent = this.#request.headers['user-agent']
    return typeof userAgent === 'string' ? userAgent : null
  }
}

/**
 * The address is the connection's, unless that is of this machine or of a private network: then `X-Forwarded-For` is read
 * from its end, over further such addresses, up to the first that is not. So no header of a client that connects
 * directly from the internet is believed, nor what it wrote before a proxy added its address.
 */
function readAddresses({ headers, remoteAddress }: SentRequest): string | null {
  const forwarded = headers['x-forwarded-for']
  const list = (typeof forwarded === 'string' ? forwarded : (forwarded ?? []).join(',')).split(',')
  let ip: string | null = null
  for (const text of [...(remoteAddress === undefined ? [] : [remoteAddress]), ...list.reverse()]) {
    const address = readAddress(text)
    if (address === undefined) break
    ip = address
    if (!isOwn(address)) break
  }
  return ip
}

function isOwn(address: string): boolean {
  return ownNetworks.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/** Without port, brackets and the form that IPv4 has on sockets of IPv6. Undefined: it is no address. */
function readAddress(text: string): string | undefined {
  const bare = text.trim()
  const host = /^\[(.*)\](?::\d+)?$/.exec(bare)?.[1] ?? /^([\d.]+):\d+$/.exec(bare)?.[1] ?? bare
  const address = host.replace(/^::ffff:(?=[\d.]+$)/i, '').replace(/%.*$/, '')
  return isIP(address) === 0 ? undefined : address
}
