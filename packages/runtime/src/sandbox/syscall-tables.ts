/**
 * What a runner may ask of the kernel after it has started, per architecture. Everything it needs was opened before;
 * what is left is memory, threads of its own, time, randomness and the sockets it already holds.
 */

export type SyscallTable = {
  /** AUDIT_ARCH value that the kernel reports for this architecture. */
  readonly auditArch: number
  readonly allowed: readonly number[]
  /** Allowed only with CLONE_THREAD. */
  readonly clone: number
  /** Its flags stand in memory that a filter can't read: refused as unknown, so that libc falls back to `clone`. */
  readonly clone3: number
  /** Allowed only for the process itself: abort() uses it. */
  readonly tgkill: number
  /** Allowed only to name threads and memory. */
  readonly prctl: number
  /** Allowed only for the data limit of the process itself: room for a further isolate, up to the hard limit. */
  readonly prlimit64: number
  readonly seccomp: number
}

const x64: SyscallTable = {
  auditArch: 0xc000003e,
  allowed: [
    0, // read
    1, // write
    3, // close
    5, // fstat
    7, // poll
    8, // lseek
    9, // mmap
    10, // mprotect
    11, // munmap
    12, // brk
    13, // rt_sigaction
    14, // rt_sigprocmask
    15, // rt_sigreturn
    17, // pread64
    19, // readv
    20, // writev
    24, // sched_yield
    25, // mremap
    27, // mincore
    28, // madvise
    35, // nanosleep
    39, // getpid
    60, // exit
    63, // uname
    74, // fsync
    96, // gettimeofday
    98, // getrusage
    99, // sysinfo
    100, // times
    131, // sigaltstack
    143, // sched_getparam
    145, // sched_getscheduler
    186, // gettid
    201, // time
    202, // futex
    204, // sched_getaffinity
    219, // restart_syscall
    228, // clock_gettime
    229, // clock_getres
    230, // clock_nanosleep
    231, // exit_group
    232, // epoll_wait
    271, // ppoll
    273, // set_robust_list
    281, // epoll_pwait
    318, // getrandom
    324, // membarrier
    329, // pkey_mprotect
    330, // pkey_alloc
    331, // pkey_free
    334, // rseq
  ],
  clone: 56,
  clone3: 435,
  tgkill: 234,
  prctl: 157,
  prlimit64: 302,
  seccomp: 317,
}

const arm64: SyscallTable = {
  auditArch: 0xc00000b7,
  allowed: [
    22, // epoll_pwait
    57, // close
    62, // lseek
    63, // read
    64, // write
    65, // readv
    66, // writev
    67, // pread64
    73, // ppoll
    80, // fstat
    82, // fsync
    93, // exit
    94, // exit_group
    98, // futex
    99, // set_robust_list
    101, // nanosleep
    113, // clock_gettime
    114, // clock_getres
    115, // clock_nanosleep
    120, // sched_getscheduler
    121, // sched_getparam
    123, // sched_getaffinity
    124, // sched_yield
    128, // restart_syscall
    132, // sigaltstack
    134, // rt_sigaction
    135, // rt_sigprocmask
    139, // rt_sigreturn
    153, // times
    160, // uname
    165, // getrusage
    169, // gettimeofday
    172, // getpid
    178, // gettid
    179, // sysinfo
    214, // brk
    215, // munmap
    216, // mremap
    222, // mmap
    226, // mprotect
    232, // mincore
    233, // madvise
    278, // getrandom
    283, // membarrier
    288, // pkey_mprotect
    289, // pkey_alloc
    290, // pkey_free
    293, // rseq
  ],
  clone: 220,
  clone3: 435,
  tgkill: 131,
  prctl: 167,
  prlimit64: 261,
  seccomp: 277,
}

/** The table of this machine's architecture, if we have one. */
export function findSyscallTable(arch: string): SyscallTable | undefined {
  return arch === 'x64' ? x64 : arch === 'arm64' ? arm64 : undefined
}
