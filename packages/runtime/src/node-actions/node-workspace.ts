import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { CodeBundle } from '../execution.ts'
import { loadNodeProgram } from '../runner-program.ts'
import { preamble } from './preamble.ts'

/**
 * The files of one process: its program, the pushed modules, a link to the external packages, and a folder of its own
 * to write to. It lies in the system's folder for temporary files and is removed with the process.
 */
export class NodeWorkspace {
  readonly program: string
  /** Ends in a slash. */
  readonly codeFolder: string
  readonly temporaryFolder: string
  /** The `node_modules` of the external packages, if there are any. */
  readonly packagesFolder: string | undefined
  /** Whoever runs the process: a user of its own if the server is root. */
  readonly userId: number | undefined
  readonly #folder: string

  private constructor(folder: string, packagesFolder: string | undefined) {
    this.userId = process.getuid?.() === 0 ? newUserId() : undefined
    this.#folder = folder
    this.program = join(folder, 'runner.cjs')
    this.codeFolder = `${join(folder, 'code')}/`
    this.temporaryFolder = join(folder, 'tmp')
    this.packagesFolder = packagesFolder
  }

  static async create(
    code: CodeBundle,
    options: { readonly packagesFolder: string | undefined },
  ): Promise<NodeWorkspace> {
    const folder = await mkdtemp(join(tmpdir(), 'concave-node-'))
    const workspace = new NodeWorkspace(folder, options.packagesFolder)
    try {
      await workspace.#write(code)
    } catch (error) {
      await workspace.remove()
      throw error
    }
    return workspace
  }

  async #write(code: CodeBundle): Promise<void> {
    await mkdir(this.temporaryFolder)
    await writeFile(this.program, await loadNodeProgram())
    await mkdir(this.codeFolder)
    await writeFile(join(this.codeFolder, 'package.json'), '{"type":"module"}')
    for (const { path, source } of code.modules.values()) {
      const file = join(this.codeFolder, path)
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, preamble + source)
    }
    if (this.packagesFolder !== undefined) {
      await symlink(this.packagesFolder, join(this.codeFolder, 'node_modules'), 'dir')
    }
    if (this.userId !== undefined) await this.#giveTo(this.userId)
  }

  /** The process reads all of it and writes to its own folder; other users see nothing. */
  async #giveTo(userId: number): Promise<void> {
    await chown(this.#folder, 0, userId)
    await chmod(this.#folder, 0o750)
    // Whatever the server's umask is.
    await chmod(this.codeFolder, 0o755)
    for (const entry of await readdir(this.codeFolder, { withFileTypes: true, recursive: true })) {
      const path = join(entry.parentPath, entry.name)
      if (entry.isDirectory()) await chmod(path, 0o755)
      else if (entry.isFile()) await chmod(path, 0o644)
    }
    await chown(this.temporaryFolder, userId, userId)
    await chmod(this.temporaryFolder, 0o700)
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Among those that nobody has, as far as this machine or container has so many. */
function newUserId(): number {
  const [first, last] = countUsers() > 0x7000_0000 ? [0x6000_0000, 0x6fff_ffff] : [40_000, 59_999]
  return randomInt(first, last)
}

/** User namespaces may have fewer than the kernel: `/proc/self/uid_map` has first, first outside, and count of each range. */
function countUsers(): number {
  if (process.platform !== 'linux') return 0
  const ranges = readFileSync('/proc/self/uid_map', 'utf8').trim().split('\n')
  return Math.max(...ranges.map((range) => Number(range.trim().split(/\s+/)[2])))
}
