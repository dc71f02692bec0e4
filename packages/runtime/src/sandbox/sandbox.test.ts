import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createLog } from '@concave/base'
import { describe, expect, test } from 'vitest'
import { RunnerPool } from '../runner-pool.ts'
import { buildSeccompFilter } from './seccomp-filter.ts'
import { findSyscallTable } from './syscall-tables.ts'

const probe = fileURLToPath(new URL('../testing/sandbox-probe.ts', import.meta.url))

function runProbe(mode: 'closed' | 'open'): { open: string[]; results: Record<string, string> } {
  const child = spawnSync(
    process.execPath,
    ['--no-node-snapshot', '--disable-warning=ExperimentalWarning', probe, mode],
    {
      env: { TZ: 'UTC' },
      encoding: 'utf8',
    },
  )
  return JSON.parse(child.stdout || `{"open":[],"results":{"failed":${JSON.stringify(child.stderr)}}}`)
}

describe.skipIf(process.platform !== 'linux')('the sandbox of a process', () => {
  test('lets nobody out, even with the whole of Node at hand', () => {
    const { open, results } = runProbe('closed')
    expect(open).toEqual([])
    expect(results).toEqual({
      'read a file': 'EPERM',
      'read the environment': 'EPERM',
      'write a file': 'EPERM',
      'list a folder': 'EPERM',
      'start a program': 'EPERM',
      'signal the parent': 'EPERM',
      'take 200 MB': expect.stringMatching(/ERR_MEMORY_ALLOCATION_FAILED|allocation failed/i),
    })
  })

  test('would notice if its walls were open', () => {
    const { open, results } = runProbe('open')
    expect(open).toEqual(expect.arrayContaining(['files', 'network', 'processes', 'programs', 'signals']))
    expect(results['read a file']).toBe('done')
    expect(results['take 200 MB']).toBe('done')
  })

  test('holds in every runner of the pool', async () => {
    const pool = await RunnerPool.start({ log: createLog({ level: 'error' }), warmRunners: 1 })
    expect(pool.openWalls).toEqual([])
    await pool.close()
  })
})

describe('the seccomp filter', () => {
  for (const arch of ['x64', 'arm64']) {
    test(`of ${arch} answers as its table says`, () => {
      const table = findSyscallTable(arch)
      expect(table).toBeDefined()
      if (table === undefined) return
      const pid = 4_711
      const run = interpret(buildSeccompFilter(table, pid), table.auditArch)
      const allow = 0x7fff0000
      const permission = 0x00050001
      const unknown = 0x00050026
      for (const number of table.allowed) expect(run(number, [])).toBe(allow)
      expect(run(table.clone, [0x00010000])).toBe(allow)
      expect(run(table.clone, [0x11])).toBe(permission)
      expect(run(table.clone3, [])).toBe(unknown)
      expect(run(table.tgkill, [pid])).toBe(allow)
      expect(run(table.tgkill, [1])).toBe(permission)
      expect(run(table.prctl, [15])).toBe(allow)
      expect(run(table.prctl, [22])).toBe(permission)
      expect(run(table.prlimit64, [0, 2])).toBe(allow)
      expect(run(table.prlimit64, [0, 7])).toBe(permission)
      expect(run(table.prlimit64, [1, 2])).toBe(permission)
      expect(run(table.seccomp, [])).toBe(permission)
      expect(run(0x40000000, [])).toBe(permission)
      expect(interpret(buildSeccompFilter(table, pid), 1)(table.allowed[0] as number, [])).toBe(0x80000000)
    })
  }
})

/** Runs the program on one system call, as the kernel would. Only the instructions that the filter uses. */
function interpret(program: Buffer, arch: number): (number: number, args: readonly number[]) => number {
  return (number, args) => {
    let accumulator = 0
    for (let index = 0; index * 8 < program.length; index++) {
      const code = program.readUInt16LE(index * 8)
      const value = program.readUInt32LE(index * 8 + 4)
      const jump = (holds: boolean): number => program[index * 8 + (holds ? 2 : 3)] as number
      if (code === 0x06) return value
      if (code === 0x20) accumulator = value === 0 ? number : value === 4 ? arch : (args[(value - 16) / 8] ?? 0)
      else if (code === 0x15) index += jump(accumulator === value)
      else if (code === 0x35) index += jump(accumulator >= value)
      else if (code === 0x45) index += jump((accumulator & value) !== 0)
      else throw new Error(`Unknown instruction ${code}.`)
    }
    throw new Error('The program has no end.')
  }
}
