/** Which addresses lie inside: this machine, its networks, and what is no single machine's address at all. */
import { BlockList, isIP } from 'node:net'

/** IANA's special-purpose address registries, as far as they are not globally reachable. */
const insideV4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]
const insideV6: readonly (readonly [string, number])[] = [
  ['::', 128],
  ['::1', 128],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
  ['5f00::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
]

const inside = new BlockList()
for (const [network, prefix] of insideV4) {
  inside.addSubnet(network, prefix, 'ipv4')
  // The same addresses as IPv6 knows them: mapped, compatible, and translated (RFC 4291 §2.5.5, RFC 6052).
  inside.addSubnet(`::ffff:${network}`, 96 + prefix, 'ipv6')
  inside.addSubnet(`64:ff9b::${network}`, 96 + prefix, 'ipv6')
  inside.addSubnet(`::${network}`, 96 + prefix, 'ipv6')
}
for (const [network, prefix] of insideV6) inside.addSubnet(network, prefix, 'ipv6')

/** True for loopback, private, link-local, multicast and reserved addresses, and for what is no address. */
export function isInsideAddress(address: string): boolean {
  const bare = address.replace(/%.*$/, '')
  const family = isIP(bare)
  return family === 0 || inside.check(bare, family === 6 ? 'ipv6' : 'ipv4')
}
