/** Open files handed from one process to another over a Unix socket (unix(7), SCM_RIGHTS), as 64-bit Linux lays it out. */
import koffi from 'koffi'

export type MessageHeader = {
  readonly name: null
  readonly namelen: number
  readonly iov: { readonly base: Buffer; readonly len: number }
  readonly iovlen: number
  readonly control: Buffer
  readonly controllen: number
  readonly flags: number
}

type MessageCall = (fd: number, message: MessageHeader, flags: number) => number

let calls: { readonly send: MessageCall; readonly receive: MessageCall } | undefined

export function loadMessageCalls(): { readonly send: MessageCall; readonly receive: MessageCall } {
  calls ??= bindCalls()
  return calls
}

function bindCalls(): { readonly send: MessageCall; readonly receive: MessageCall } {
  koffi.struct('concave_iovec', { base: 'void *', len: 'size_t' })
  koffi.struct('concave_msghdr', {
    name: 'void *',
    namelen: 'uint32',
    iov: 'concave_iovec *',
    iovlen: 'size_t',
    control: 'void *',
    controllen: 'size_t',
    flags: 'int',
  })
  const library = koffi.load(null)
  return {
    send: library.func('long sendmsg(int fd, const concave_msghdr *message, int flags)') as MessageCall,
    receive: library.func('long recvmsg(int fd, _Inout_ concave_msghdr *message, int flags)') as MessageCall,
  }
}

const socketLevel = 1
const rights = 1
const headerBytes = 16
const doNotWait = 0x40
const noSignal = 0x4000

/** A message of one byte with `fd`. False if the socket takes nothing more now. */
export function sendDescriptor(socketFd: number, fd: number): boolean {
  const control = Buffer.alloc(24)
  control.writeBigUInt64LE(BigInt(headerBytes + 4), 0)
  control.writeInt32LE(socketLevel, 8)
  control.writeInt32LE(rights, 12)
  control.writeInt32LE(fd, headerBytes)
  const message: MessageHeader = {
    name: null,
    namelen: 0,
    iov: { base: Buffer.from([1]), len: 1 },
    iovlen: 1,
    control,
    controllen: control.length,
    flags: 0,
  }
  return loadMessageCalls().send(socketFd, message, doNotWait | noSignal) === 1
}
