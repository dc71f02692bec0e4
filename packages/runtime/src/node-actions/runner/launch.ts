import koffi from 'koffi'
import { buildSingleDenial } from '../../sandbox/seccomp-filter.ts'
import { lastErrno, loadLibc } from '../../sandbox/libc.ts'
import { findSyscallTable } from '../../sandbox/syscall-tables.ts'

const ioUringSetup = 425
const setNoNewPrivileges = 38
const seccompSetModeFilter = 1
const setDescriptorFlags = 2
const errnoFault = 14
/** Standard streams, the supervisor's socket, and that for descriptors. */
const keptDescriptors = [0, 1, 2, 3, 4]

/**
 * Node's event loop keeps a ring of io_uring from its start, which no filter of system calls sees into. So the program
 * starts Node once more, in this process, where rings are forbidden. Returns in the second run, and where there are none.
 */
export function launchWithoutRings(): void {
  const table = process.platform === 'linux' ? findSyscallTable(process.arch) : undefined
  if (table === undefined) return
  const libc = loadLibc()
  // Without parameters it fails in any case: where it is allowed, because of them.
  if (libc.syscall(ioUringSetup, 1, 0, 0, 0) !== -1 || lastErrno() !== errnoFault) return
  const library = koffi.load(null)
  const fcntl = library.func('int fcntl(int fd, int command, int flags)') as (...args: readonly number[]) => number
  const execv = library.func('int execv(const char *path, const char **arguments)') as (
    path: string,
    args: readonly (string | null)[],
  ) => number
  if (libc.prctl(setNoNewPrivileges, 1, 0, 0, 0) !== 0) throw new Error('prctl failed.')
  const filter = buildSingleDenial(table, ioUringSetup)
  if (libc.installSeccomp(table.seccomp, seccompSetModeFilter, 0, { len: filter.length / 8, filter }) !== 0) {
    throw new Error('The seccomp filter was refused.')
  }
  for (const fd of keptDescriptors) fcntl(fd, setDescriptorFlags, 0)
  execv(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1), null])
  throw new Error(`Node could not be started again (errno ${lastErrno()}).`)
}
