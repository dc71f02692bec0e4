import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
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
  readonly #folder: string

  private constructor(folder: string, packagesFolder: string | undefined) {
    this.#folder = folder
    this.program = join(folder, 'runner.cjs')
    this.codeFolder = `${join(folder, 'code')}/`
    this.temporaryFolder = join(folder, 'tmp')
    this.packagesFolder = packagesFolder
  }

  static async create(code: CodeBundle, options: { readonly packagesFolder: string | undefined }): Promise<NodeWorkspace> {
    const folder = await mkdtemp(join(tmpdir(), 'concave-node-'))
    const workspace = new NodeWorkspace(folder, options.packagesFolder)
    await mkdir(workspace.temporaryFolder)
    await writeFile(workspace.program, await loadNodeProgram())
    await mkdir(workspace.codeFolder)
    await writeFile(join(workspace.codeFolder, 'package.json'), '{"type":"module"}')
    for (const { path, source } of code.modules.values()) {
      const file = join(workspace.codeFolder, path)
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, preamble + source)
    }
    if (options.packagesFolder !== undefined) {
      await symlink(options.packagesFolder, join(workspace.codeFolder, 'node_modules'), 'dir')
    }
    return workspace
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 })
  }
}
