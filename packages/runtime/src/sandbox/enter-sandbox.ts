import type { ReadyHeader } from '../protocol.ts'
import { DataLimit } from './data-limit.ts'
import { lastErrno, loadLibc, type Libc } from './libc.ts'
import { buildSeccompFilter } from './seccomp-filter.ts'
import { findSyscallTable, type SyscallTable } from './syscall-tables.ts'

// Linux constants.
const setParentDeathSignal = 1
const killSignal = 9
const setNoNewPrivileges = 38
const seccompSetModeFilter = 1
const seccompSynchronizeThreads = 1
const errnoPermission = 1
const nobody = 65534

/** All that user code must not reach even if it escapes from V8, named as the self-test and the logs name it. */
export const walls = [
  'memory limit',
  'files',
  'network',
  'processes',
  'programs',
  'signals',
  'tracing',
  'io_uring',
] as const
export type Wall = (typeof walls)[number]

export type SandboxOptions = {
  readonly sandbox: boolean
  readonly growthBytes: number
  /** Data that one isolate reserves, and how many more may be made. */
  readonly isolateBytes: number
  readonly furtherIsolates: number
}

/** What the self-test found, and the limit that further isolates have to raise. */
export type Sandbox = { readonly ready: ReadyHeader; readonly dataLimit: DataLimit | undefined }

/**
 * Puts the walls up around this process, for good, and tries each of them. Everything that must be loaded or opened has
 * to be by now. Where the platform has no such walls all are reported open, with the reason.
 */
export function enterSandbox(options: SandboxOptions): Sandbox {
  const without = (reason: string): Sandbox => ({ ready: { walls, open: walls, reason }, dataLimit: undefined })
  if (!options.sandbox) return without('The sandbox is switched off.')
  if (process.platform !== 'linux') return without(`${process.platform} has no seccomp filter.`)
  const table = findSyscallTable(process.arch)
  if (table === undefined) return without(`No system call table for ${process.arch}.`)
  // Streams are opened when they are first touched.
  void process.stdout
  void process.stderr
  dropRoot()
  const libc = loadLibc()
  // A runner that spins must not outlive a supervisor that is gone. A change of user would clear this.
  libc.prctl(setParentDeathSignal, killSignal, 0, 0, 0)
  const dataLimit = DataLimit.install(libc, options)
  const memoryOpen = dataLimit === undefined ? (['memory limit'] as const) : []
  installFilter(libc, buildSeccompFilter(table, process.pid), table.seccomp)
  return { ready: { walls, open: [...memoryOpen, ...tryWalls(libc, table)] }, dataLimit }
}

/** Another user, if we are root: then even a hole in the filter opens no file of ours. */
function dropRoot(): void {
  if (process.getuid?.() !== 0) return
  process.setgroups?.([])
  process.setgid?.(nobody)
  process.setuid?.(nobody)
}

function installFilter(libc: Libc, filter: Buffer, seccompNumber: number): void {
  if (libc.prctl(setNoNewPrivileges, 1, 0, 0, 0) !== 0) throw new Error(`prctl failed (errno ${lastErrno()}).`)
  const program = { len: filter.length / 8, filter }
  const result = libc.installSeccomp(seccompNumber, seccompSetModeFilter, seccompSynchronizeThreads, program)
  if (result !== 0) throw new Error(`The seccomp filter was refused (result ${result}, errno ${lastErrno()}).`)
}

/** Tries what an attacker who owns this process would try. Returns the walls that did not answer EPERM. */
export function tryWalls(libc: Libc, table: SyscallTable): readonly Wall[] {
  const refused = (result: number): boolean => result === -1 && lastErrno() === errnoPermission
  const inetDomain = 2
  const streamType = 1
  const ioUringSetup = 425
  const shareSignalHandlers = 0x800
  const peekData = 2
  const attempts: readonly (readonly [Wall, () => boolean])[] = [
    ['files', () => refused(libc.open('/etc/passwd', 0, 0)) && refused(libc.open('/tmp/concave-wall', 1, 0))],
    ['network', () => refused(libc.socket(inetDomain, streamType, 0))],
    // A copy that shares signal handlers but no memory can't exist: with the wall open the answer is EINVAL.
    ['processes', () => refused(libc.syscall(table.clone, shareSignalHandlers, 0, 0, 0))],
    // A program that can't exist: with the wall open the answer is ENOENT.
    ['programs', () => refused(libc.execv('/concave/no/such/program', null))],
    ['signals', () => refused(libc.kill(process.ppid, 0))],
    // A look into a process that is not traced: with the wall open the answer is ESRCH.
    ['tracing', () => refused(libc.ptrace(peekData, process.ppid, null, null))],
    ['io_uring', () => refused(libc.syscall(ioUringSetup, 1, 0, 0, 0))],
  ]
  return attempts.filter(([, holds]) => !holds()).map(([wall]) => wall)
}
