/**
 * What a process of Node actions may not ask of the kernel, per architecture. Unlike queries, mutations and actions of the
 * default runtime it runs any native code there is, so everything is allowed but what leads out of its place.
 */

export type DeniedCalls = {
  /** AUDIT_ARCH value that the kernel reports for this architecture. */
  readonly auditArch: number
  readonly denied: readonly number[]
  /** Allowed without new namespaces. */
  readonly clone: number
  /** Its flags stand in memory that a filter can't read: refused as unknown, so that libc falls back to `clone`. */
  readonly clone3: number
  /** Allowed for some domains; never for Unix sockets, which reach the machine's services. */
  readonly socket: number
  readonly kill: number
  /** Allowed for the process itself. */
  readonly prlimit64: number
  readonly connect: number
  readonly bind: number
  readonly listen: number
  readonly sendto: number
  readonly sendmsg: number
  readonly sendmmsg: number
}

const x64: DeniedCalls = {
  auditArch: 0xc000003e,
  denied: [
    101, // ptrace
    109, // setpgid: its programs are ended with its process group
    112, // setsid
    141, // setpriority
    155, // pivot_root
    161, // chroot
    163, // acct
    165, // mount
    166, // umount2
    167, // swapon
    168, // swapoff
    169, // reboot
    172, // iopl
    173, // ioperm
    175, // init_module
    176, // delete_module
    179, // quotactl
    246, // kexec_load
    248, // add_key
    249, // request_key
    250, // keyctl
    251, // ioprio_set
    272, // unshare
    298, // perf_event_open
    303, // name_to_handle_at
    304, // open_by_handle_at
    308, // setns
    310, // process_vm_readv
    311, // process_vm_writev
    312, // kcmp
    313, // finit_module
    320, // kexec_file_load
    321, // bpf
    323, // userfaultfd
    424, // pidfd_send_signal
    425, // io_uring_setup
    426, // io_uring_enter
    427, // io_uring_register
    428, // open_tree
    429, // move_mount
    430, // fsopen
    431, // fsconfig
    432, // fsmount
    433, // fspick
    434, // pidfd_open
    438, // pidfd_getfd
    440, // process_madvise
    442, // mount_setattr
  ],
  clone: 56,
  clone3: 435,
  socket: 41,
  kill: 62,
  prlimit64: 302,
  connect: 42,
  bind: 49,
  listen: 50,
  sendto: 44,
  sendmsg: 46,
  sendmmsg: 307,
}

const arm64: DeniedCalls = {
  auditArch: 0xc00000b7,
  denied: [
    30, // ioprio_set
    39, // umount2
    40, // mount
    41, // pivot_root
    51, // chroot
    60, // quotactl
    89, // acct
    97, // unshare
    104, // kexec_load
    105, // init_module
    106, // delete_module
    117, // ptrace
    140, // setpriority
    142, // reboot
    154, // setpgid: its programs are ended with its process group
    157, // setsid
    217, // add_key
    218, // request_key
    219, // keyctl
    224, // swapon
    225, // swapoff
    241, // perf_event_open
    264, // name_to_handle_at
    265, // open_by_handle_at
    268, // setns
    270, // process_vm_readv
    271, // process_vm_writev
    272, // kcmp
    273, // finit_module
    280, // bpf
    282, // userfaultfd
    294, // kexec_file_load
    424, // pidfd_send_signal
    425, // io_uring_setup
    426, // io_uring_enter
    427, // io_uring_register
    428, // open_tree
    429, // move_mount
    430, // fsopen
    431, // fsconfig
    432, // fsmount
    433, // fspick
    434, // pidfd_open
    438, // pidfd_getfd
    440, // process_madvise
    442, // mount_setattr
  ],
  clone: 220,
  clone3: 435,
  socket: 198,
  kill: 129,
  prlimit64: 261,
  connect: 203,
  bind: 200,
  listen: 201,
  sendto: 206,
  sendmsg: 211,
  sendmmsg: 269,
}

/** The table of this machine's architecture, if we have one. */
export function findDeniedCalls(arch: string): DeniedCalls | undefined {
  return arch === 'x64' ? x64 : arch === 'arm64' ? arm64 : undefined
}
