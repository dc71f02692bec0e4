/** A folder with an app in it, as its developer has it: sources, `package.json`, and this repository's `node_modules`. */
import { cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { repositoryRoot } from './child-process.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

export type AppFolder = AsyncDisposable & {
  readonly path: string
  /** Paths are relative to the folder. Folders are made as needed. */
  write(files: Readonly<Record<string, string>>): Promise<void>
  read(path: string): Promise<string>
  remove(path: string): Promise<void>
}

const packageJson = JSON.stringify({
  name: 'test-app',
  private: true,
  type: 'module',
  dependencies: { convex: '1.48.0' },
})

/** `from`: a folder whose content is copied. `nodeModules`: packages of the app, if not this repository's. */
export async function openAppFolder(
  options: {
    readonly from?: string
    readonly files?: Readonly<Record<string, string>>
    readonly nodeModules?: string
  } = {},
): Promise<AppFolder> {
  const folder = await makeTemporaryFolder('app')
  const write: AppFolder['write'] = async (files) => {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text)
    }
  }
  await write({ 'package.json': packageJson })
  if (options.from !== undefined) await cp(options.from, folder, { recursive: true, filter: isSource })
  await symlink(options.nodeModules ?? join(repositoryRoot, 'node_modules'), join(folder, 'node_modules'))
  await write(options.files ?? {})
  return {
    path: folder,
    write,
    read: async (path) => await readFile(join(folder, path), 'utf8'),
    remove: async (path) => await rm(join(folder, path), { recursive: true, force: true }),
    [Symbol.asyncDispose]: async () => await rm(folder, { recursive: true, force: true }),
  }
}

function isSource(path: string): boolean {
  return !/\/(node_modules|_generated|\.env\.local)(\/|$)/.test(path)
}
