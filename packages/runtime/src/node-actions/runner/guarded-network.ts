/**
 * The rule for addresses where the kernel cannot be asked to keep it: checked when a socket of Node connects or sends. Native
 * code and other programs can get around it.
 */
import os from 'node:os'
import { isInsideAddress } from '../../actions/address-policy.ts'
import { warnOfRefusal } from './refused-address.ts'

type Method = (this: unknown, ...args: unknown[]) => number
type Binding = { readonly prototype: Record<string, Method> }

/** Must be called before user code runs. */
export function guardNetwork(): void {
  const node = process as unknown as { binding(name: string): Readonly<Record<string, Binding>> }
  const { TCP } = node.binding('tcp_wrap')
  const { UDP } = node.binding('udp_wrap')
  // connect(request, address, port), connect(address, port), send(request, list, count, port, address, hasCallback)
  for (const name of ['connect', 'connect6']) {
    guard(TCP, name, 1)
    guard(UDP, name, 0)
  }
  for (const name of ['send', 'send6']) guard(UDP, name, 4)
}

function guard(target: Binding | undefined, name: string, position: number): void {
  const original = target?.prototype[name]
  if (target === undefined || original === undefined) throw new Error(`This Node has no ${name} to guard.`)
  target.prototype[name] = function (...args) {
    const address = args[position]
    // A connected datagram socket sends without an address.
    if (typeof address === 'string' && isInsideAddress(address)) {
      warnOfRefusal(address)
      return -os.constants.errno.EACCES
    }
    return Reflect.apply(original, this, args)
  }
}
