import { currentCall } from './node-call.ts'

/** Sockets say EACCES; the log of the action says why. */
export function warnOfRefusal(address: string): void {
  currentCall
    .getStore()
    ?.log('WARN', [
      `${address} is a loopback, private or link-local address, which actions of this server may not reach.`,
    ])
}
