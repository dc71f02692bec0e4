import type { DeniedCalls } from './denied-calls.ts'
import type { SyscallTable } from './syscall-tables.ts'

// linux/bpf_common.h and linux/seccomp.h
const loadWord = 0x20 // BPF_LD | BPF_W | BPF_ABS
const jumpEqual = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
const jumpGreaterOrEqual = 0x35 // BPF_JMP | BPF_JGE | BPF_K
const jumpBitsSet = 0x45 // BPF_JMP | BPF_JSET | BPF_K
const returnValue = 0x06 // BPF_RET | BPF_K
const actionAllow = 0x7fff0000
const actionKillProcess = 0x80000000
const actionErrno = 0x00050000
const errnoPermission = 1
const errnoNotImplemented = 38

// Offsets in struct seccomp_data; arguments are 64 bits wide, low half first on both architectures.
const offsetNumber = 0
const offsetArch = 4
const offsetArgumentLow = (index: number): number => 16 + 8 * index

/** System calls from here on belong to the x32 interface of the same architecture value. */
const firstX32Number = 0x40000000
const cloneThread = 0x00010000
const prSetName = 15
const prSetVma = 0x53564d41
const ownProcess = 0
const resourceData = 2
/** CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET */
const cloneNamespaces = 0x7e020000
const domainInet = 2
const domainInet6 = 10
const domainNetlink = 16
/** MSG_FASTOPEN connects a socket while it sends. */
const messageFastOpen = 0x20000000
const everyProcess = 0xffffffff

type Instruction = { readonly code: number; readonly ifTrue: number; readonly ifFalse: number; readonly value: number }

/**
 * A BPF program that allows what the table allows, answers EPERM to the rest and kills the process on a foreign
 * architecture. `pid`: the process that `tgkill` may signal. Returns struct sock_filter[].
 */
export function buildSeccompFilter(table: SyscallTable, pid: number): Buffer {
  const program: Instruction[] = [
    load(offsetArch),
    jump(jumpEqual, table.auditArch, 1, 0),
    give(actionKillProcess),
    load(offsetNumber),
    jump(jumpGreaterOrEqual, firstX32Number, 0, 1),
    give(actionErrno | errnoPermission),
    ...whenNumber(table.clone, [
      load(offsetArgumentLow(0)),
      jump(jumpBitsSet, cloneThread, 0, 1),
      give(actionAllow),
      give(actionErrno | errnoPermission),
    ]),
    ...whenNumber(table.clone3, [give(actionErrno | errnoNotImplemented)]),
    ...whenNumber(table.tgkill, [
      load(offsetArgumentLow(0)),
      jump(jumpEqual, pid, 0, 1),
      give(actionAllow),
      give(actionErrno | errnoPermission),
    ]),
    ...whenNumber(table.prctl, [
      load(offsetArgumentLow(0)),
      jump(jumpEqual, prSetName, 1, 0),
      jump(jumpEqual, prSetVma, 0, 1),
      give(actionAllow),
      give(actionErrno | errnoPermission),
    ]),
    ...whenNumber(table.prlimit64, [
      load(offsetArgumentLow(0)),
      jump(jumpEqual, ownProcess, 0, 3),
      load(offsetArgumentLow(1)),
      jump(jumpEqual, resourceData, 0, 1),
      give(actionAllow),
      give(actionErrno | errnoPermission),
    ]),
    ...table.allowed.flatMap((number) => whenNumber(number, [give(actionAllow)])),
    give(actionErrno | errnoPermission),
  ]
  return assemble(program)
}

/**
 * A BPF program for a process that may do what processes do, with files, threads and programs of its own, but neither
 * look into nor leave its place: it refuses what the table denies. `hasNetwork`: it may open sockets of its own; if not, it
 * has the connections that it is handed, and those stay where they lead. `supervisorPid`: nobody to be signalled.
 */
export function buildDenyFilter(
  table: DeniedCalls,
  options: { readonly hasNetwork: boolean; readonly supervisorPid: number },
): Buffer {
  const deny = give(actionErrno | errnoPermission)
  const domains = options.hasNetwork ? [domainInet, domainInet6, domainNetlink] : [domainNetlink]
  const refuseFlag = (number: number, argument: number): readonly Instruction[] =>
    whenNumber(number, [
      load(offsetArgumentLow(argument)),
      jump(jumpBitsSet, messageFastOpen, 0, 1),
      deny,
      give(actionAllow),
    ])
  const offline = options.hasNetwork
    ? []
    : [
        // A connection that was handed over could be led elsewhere by these.
        ...[table.connect, table.bind, table.listen].flatMap((number) => whenNumber(number, [deny])),
        ...refuseFlag(table.sendto, 3),
        ...refuseFlag(table.sendmsg, 2),
        ...refuseFlag(table.sendmmsg, 3),
      ]
  return assemble([
    load(offsetArch),
    jump(jumpEqual, table.auditArch, 1, 0),
    give(actionKillProcess),
    load(offsetNumber),
    jump(jumpGreaterOrEqual, firstX32Number, 0, 1),
    deny,
    ...whenNumber(table.clone, [
      load(offsetArgumentLow(0)),
      jump(jumpBitsSet, cloneNamespaces, 0, 1),
      deny,
      give(actionAllow),
    ]),
    ...whenNumber(table.clone3, [give(actionErrno | errnoNotImplemented)]),
    ...whenNumber(table.socket, [
      load(offsetArgumentLow(0)),
      ...domains.flatMap((domain) => [jump(jumpEqual, domain, 0, 1), give(actionAllow)]),
      deny,
    ]),
    ...whenNumber(table.kill, [
      load(offsetArgumentLow(0)),
      jump(jumpEqual, options.supervisorPid, 0, 1),
      deny,
      jump(jumpEqual, everyProcess, 0, 1),
      deny,
      give(actionAllow),
    ]),
    ...whenNumber(table.prlimit64, [
      load(offsetArgumentLow(0)),
      jump(jumpEqual, ownProcess, 0, 1),
      give(actionAllow),
      deny,
    ]),
    ...offline,
    ...table.denied.flatMap((number) => whenNumber(number, [deny])),
    give(actionAllow),
  ])
}

/** A BPF program that refuses one system call and allows all others. */
export function buildSingleDenial(table: Pick<SyscallTable, 'auditArch'>, number: number): Buffer {
  return assemble([
    load(offsetArch),
    jump(jumpEqual, table.auditArch, 1, 0),
    give(actionKillProcess),
    load(offsetNumber),
    ...whenNumber(number, [give(actionErrno | errnoPermission)]),
    give(actionAllow),
  ])
}

/** struct sock_filter[] */
function assemble(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8)
  program.forEach((instruction, index) => {
    bytes.writeUInt16LE(instruction.code, index * 8)
    bytes[index * 8 + 2] = instruction.ifTrue
    bytes[index * 8 + 3] = instruction.ifFalse
    bytes.writeUInt32LE(instruction.value >>> 0, index * 8 + 4)
  })
  return bytes
}

/** `body` must end in returns: the accumulator holds the number again only if it was not entered. */
function whenNumber(number: number, body: readonly Instruction[]): readonly Instruction[] {
  return [jump(jumpEqual, number, 0, body.length), ...body]
}

function load(offset: number): Instruction {
  return { code: loadWord, ifTrue: 0, ifFalse: 0, value: offset }
}

function jump(code: number, value: number, ifTrue: number, ifFalse: number): Instruction {
  return { code, ifTrue, ifFalse, value }
}

function give(action: number): Instruction {
  return { code: returnValue, ifTrue: 0, ifFalse: 0, value: action }
}
