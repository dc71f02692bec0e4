/** Landlock (landlock(7)): what of the file system a process and all that it starts may still reach. Needs no privilege. */
import { closeSync } from 'node:fs'
import koffi from 'koffi'
import type { Libc } from './libc.ts'

const createRuleset = 444
const addRule = 445
const restrictSelf = 446
const versionFlag = 1
const rulePathBeneath = 1
const openPath = 0o10000000
const openCloseOnExec = 0o2000000

const execute = 1
const writeFile = 2
const readFile = 4
const readFolder = 8
const truncate = 1 << 14
/** Of a folder: everything that the version of the kernel knows. */
const allOf = (version: number): number => {
  if (version >= 5) return (1 << 16) - 1
  if (version >= 3) return (1 << 15) - 1
  return version >= 2 ? (1 << 14) - 1 : (1 << 13) - 1
}
/** Rights that only make sense for folders. */
const folderOnly = ~(execute | writeFile | readFile | truncate | (1 << 15))
const bindAndConnectTcp = 3
/** Abstract Unix sockets, and signals to processes outside. */
const scopes = 3

export type Reachable = {
  /** Folders and files to read and to execute. What does not exist is left out. */
  readonly readable: readonly string[]
  /** Files to read and write. */
  readonly devices: readonly string[]
  /** Folders to do anything in. */
  readonly writable: readonly string[]
  readonly hasNetwork: boolean
}

/**
 * Shuts this thread, and all that it starts from now on, out of the rest of the file system. False where the kernel has no
 * Landlock. Must be called before other threads that run user code exist.
 */
export function enterLandlock(libc: Libc, reachable: Reachable): boolean {
  const library = koffi.load(null)
  const call = library.func('syscall', 'long', ['long', 'void *', 'long', 'long']) as (...args: unknown[]) => number
  const version = libc.syscall(createRuleset, 0, 0, versionFlag, 0)
  if (version < 1) return false
  const handled = allOf(version)
  const attributes = Buffer.alloc(version >= 6 ? 24 : version >= 4 ? 16 : 8)
  attributes.writeBigUInt64LE(BigInt(handled), 0)
  if (version >= 4) attributes.writeBigUInt64LE(BigInt(reachable.hasNetwork ? 0 : bindAndConnectTcp), 8)
  if (version >= 6) attributes.writeBigUInt64LE(BigInt(scopes), 16)
  const ruleset = call(createRuleset, attributes, attributes.length, 0)
  if (ruleset < 0) return false
  const allow = (path: string, access: number): void => {
    const fd = libc.open(path, openPath | openCloseOnExec, 0)
    if (fd < 0) return
    const add = library.func('syscall', 'long', ['long', 'long', 'long', 'void *', 'long']) as (
      ...args: unknown[]
    ) => number
    const rule = (rights: number): Buffer => {
      const bytes = Buffer.alloc(12)
      bytes.writeBigUInt64LE(BigInt(rights & handled), 0)
      bytes.writeInt32LE(fd, 8)
      return bytes
    }
    // A file takes the rights of files only.
    if (add(addRule, ruleset, rulePathBeneath, rule(access), 0) < 0) {
      add(addRule, ruleset, rulePathBeneath, rule(access & ~folderOnly), 0)
    }
    closeSync(fd)
  }
  for (const path of reachable.readable) allow(path, execute | readFile | readFolder)
  for (const path of reachable.devices) allow(path, readFile | writeFile | truncate | (1 << 15))
  for (const path of reachable.writable) allow(path, handled)
  const result = libc.syscall(restrictSelf, ruleset, 0, 0, 0)
  closeSync(ruleset)
  return result === 0
}
