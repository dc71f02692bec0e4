/**
 * A process that stands for user code which has escaped from V8: it enters the sandbox (argument `closed`) or does not
 * (`open`), then tries to get out by Node's own means. Prints what each attempt came to.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { enterSandbox, tryWalls } from '../sandbox/enter-sandbox.ts'
import { loadLibc } from '../sandbox/libc.ts'
import { findSyscallTable, type SyscallTable } from '../sandbox/syscall-tables.ts'

const libc = loadLibc()
const isClosed = process.argv[2] === 'closed'
const temporaryFile = join(tmpdir(), `concave-sandbox-probe-${process.pid}`)
const megabyte = 1024 * 1024

const open = isClosed
  ? enterSandbox({ sandbox: true, growthBytes: 64 * megabyte, isolateBytes: 0, furtherIsolates: 0 }).ready.open
  : tryWalls(libc, findSyscallTable(process.arch) as SyscallTable)

const attempts: Readonly<Record<string, () => unknown>> = {
  'read a file': () => readFileSync('/etc/passwd'),
  'read the environment': () => readFileSync('/proc/self/environ'),
  'write a file': () => writeFileSync(temporaryFile, ''),
  'list a folder': () => readdirSync('/'),
  'start a program': () => {
    const { error } = spawnSync('/bin/true')
    if (error !== undefined) throw error
  },
  'signal the parent': () => process.kill(process.ppid, 0),
  'take 200 MB': () => Buffer.alloc(200 * megabyte, 1).length,
}

const results = Object.fromEntries(Object.entries(attempts).map(([name, attempt]) => [name, tryOnce(attempt)]))
if (!isClosed) rmSync(temporaryFile)
writeSync(1, JSON.stringify({ open, results }))
// Without the event loop: the sandbox forbids what it needs.
libc.exitNow(0)

function tryOnce(attempt: () => unknown): string {
  try {
    attempt()
    return 'done'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}
