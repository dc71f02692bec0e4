import os from 'node:os'
import { dirname } from 'node:path'
import { readDataBytes } from '../../sandbox/data-limit.ts'
import { buildDenyFilter } from '../../sandbox/seccomp-filter.ts'
import { findDeniedCalls } from '../../sandbox/denied-calls.ts'
import { enterLandlock } from '../../sandbox/landlock.ts'
import { type Libc, loadLibc } from '../../sandbox/libc.ts'
import { replaceTmp } from '../../sandbox/private-folder.ts'
import { findSyscallTable } from '../../sandbox/syscall-tables.ts'
import type { NodeBoot, NodeReady } from '../node-frames.ts'

// Linux constants.
const setParentDeathSignal = 1
const killSignal = 9
const setNoNewPrivileges = 38
const seccompSetModeFilter = 1
const seccompSynchronizeThreads = 1
const limitData = 2
const limitCore = 4
const limitFileSize = 1
const limitProcesses = 6

const maxFileBytes = 1024 * 1_048_576
/** Threads count. */
const maxProcesses = 1024

/** What programs and native code read of a system. Of `/etc` and `/proc` only what is nobody's secret. */
const systemPaths: readonly string[] = [
  '/usr',
  '/lib',
  '/lib32',
  '/lib64',
  '/bin',
  '/sbin',
  '/etc/alternatives',
  '/etc/ca-certificates',
  '/etc/fonts',
  '/etc/group',
  '/etc/host.conf',
  '/etc/hosts',
  '/etc/ld.so.cache',
  '/etc/localtime',
  '/etc/mime.types',
  '/etc/nsswitch.conf',
  '/etc/os-release',
  '/etc/passwd',
  '/etc/pki',
  '/etc/protocols',
  '/etc/resolv.conf',
  '/etc/services',
  '/etc/ssl',
  '/etc/timezone',
  '/proc/cpuinfo',
  '/proc/filesystems',
  '/proc/loadavg',
  '/proc/meminfo',
  '/proc/self',
  '/proc/stat',
  '/proc/uptime',
  '/proc/version',
  '/sys/devices/system/cpu',
]
const devices: readonly string[] = ['/dev/null', '/dev/zero', '/dev/full', '/dev/random', '/dev/urandom']

/**
 * Puts the walls around this process up, for good and for all that it starts, and tries them. Where the platform lacks
 * them they are reported open. User code must not have run yet.
 */
export function putWallsUp(boot: NodeBoot): NodeReady {
  const all: readonly string[] = ['files', 'processes', ...(boot.network === 'own' ? [] : ['network'])]
  if (process.platform !== 'linux') return { open: all, reason: `${process.platform} has no seccomp and no Landlock.` }
  const denied = findDeniedCalls(process.arch)
  const table = findSyscallTable(process.arch)
  if (denied === undefined || table === undefined) return { open: all, reason: `No table for ${process.arch}.` }
  const libc = loadLibc()
  const supervisorPid = process.ppid
  // Their files are opened when they are first touched.
  void process.stdout
  void process.stderr
  setLimits(libc, boot)
  // The server's may be stricter than its other user can live with.
  process.umask(0o022)
  const own = takeTemporaryFolder(boot)
  const hasOwnUser = becomeUser(boot.userId)
  // A change of user clears this.
  libc.prctl(setParentDeathSignal, killSignal, 0, 0, 0)
  if (libc.prctl(setNoNewPrivileges, 1, 0, 0, 0) !== 0) throw new Error('prctl failed.')
  const hasNetwork = boot.network !== 'handed'
  const hasLandlock = enterLandlock(libc, {
    readable: [...systemPaths, dirname(process.execPath), boot.codeFolder, ...boot.readableFolders],
    devices,
    writable: [own],
    hasNetwork,
  })
  const filter = buildDenyFilter(denied, { hasNetwork, supervisorPid })
  const program = { len: filter.length / 8, filter }
  if (libc.installSeccomp(table.seccomp, seccompSetModeFilter, seccompSynchronizeThreads, program) !== 0) {
    throw new Error('The seccomp filter was refused.')
  }
  nameUser()
  return {
    open: [
      ...(hasOwnUser || isRefused(libc.open('/', 0, 0)) ? [] : ['files']),
      ...(isRefused(libc.kill(supervisorPid, 0)) ? [] : ['processes']),
      ...(boot.network === 'own' || isRefused(libc.socket(2, 1, 0)) ? [] : ['network']),
    ],
    reason: hasLandlock ? '' : 'The kernel has no Landlock.',
  }
}

/** Where it may write: in place of `/tmp`, which some code takes for granted, if the system lets us. */
function takeTemporaryFolder({ userId, temporaryFolder, codeFolder, readableFolders }: NodeBoot): string {
  const kept = [codeFolder, dirname(process.execPath), ...readableFolders]
  if (userId === undefined || !replaceTmp(temporaryFolder, kept)) return temporaryFolder
  process.chdir('/tmp')
  Object.assign(process.env, { PWD: '/tmp', HOME: '/tmp', TMPDIR: '/tmp' })
  return '/tmp'
}

function setLimits(libc: Libc, { dataBytes: growthBytes, userId }: NodeBoot): void {
  const dataBytes = (readDataBytes() ?? 0) + growthBytes
  libc.setrlimit(limitCore, { current: 0, maximum: 0 })
  libc.setrlimit(limitFileSize, { current: maxFileBytes, maximum: maxFileBytes })
  libc.setrlimit(limitData, { current: dataBytes, maximum: dataBytes })
  // They count per user: only where it is nobody else's.
  if (userId !== undefined) libc.setrlimit(limitProcesses, { current: maxProcesses, maximum: maxProcesses })
}

/** A user of its own, if we are root: then no file of ours and no process of others is within reach. */
function becomeUser(userId: number | undefined): boolean {
  if (userId === undefined) return false
  process.setgroups?.([])
  process.setgid?.(userId)
  process.setuid?.(userId)
  return true
}

/** The user has no entry among the system's, which some libraries look for. */
function nameUser(): void {
  try {
    os.userInfo()
  } catch {
    const info = {
      username: 'node',
      uid: process.getuid?.() ?? -1,
      gid: process.getgid?.() ?? -1,
      shell: null,
      homedir: os.homedir(),
    }
    Object.defineProperty(os, 'userInfo', { value: () => ({ ...info }), writable: true, configurable: true })
  }
}

function isRefused(result: number): boolean {
  return result === -1
}
