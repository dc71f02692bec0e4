import koffi from 'koffi'

type NativeFunction = (...args: readonly unknown[]) => number

/** The C functions that put the walls up, and those that try them. */
export type Libc = {
  readonly prctl: NativeFunction
  readonly installSeccomp: NativeFunction
  readonly setrlimit: NativeFunction
  readonly syscall: NativeFunction
  readonly open: NativeFunction
  readonly socket: NativeFunction
  readonly exitNow: NativeFunction
  readonly execv: NativeFunction
  readonly kill: NativeFunction
  readonly ptrace: NativeFunction
}

koffi.struct('sock_fprog', { len: 'uint16', filter: 'uint8 *' })
koffi.struct('rlimit', { current: 'uint64', maximum: 'uint64' })

/** Binds the symbols of the running process: right for every libc. Must be called before the walls go up. */
export function loadLibc(): Libc {
  const library = koffi.load(null)
  const bind = (definition: string): NativeFunction => library.func(definition) as NativeFunction
  return {
    prctl: bind('int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)'),
    installSeccomp: library.func('syscall', 'long', ['long', 'long', 'long', 'sock_fprog *']) as NativeFunction,
    setrlimit: bind('int setrlimit(int resource, const rlimit *limit)'),
    syscall: library.func('syscall', 'long', ['long', 'long', 'long', 'long', 'long']) as NativeFunction,
    open: bind('int open(const char *path, int flags, int mode)'),
    socket: bind('int socket(int domain, int type, int protocol)'),
    exitNow: bind('void _exit(int code)'),
    execv: bind('int execv(const char *path, void *arguments)'),
    kill: bind('int kill(int pid, int signal)'),
    ptrace: bind('long ptrace(long request, int pid, void *address, void *data)'),
  }
}

/** Of the last failed call of this thread. */
export function lastErrno(): number {
  return koffi.errno()
}
