import { chmod, copyFile, link, mkdir, readdir, readlink, symlink } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * The same files in another folder, by hard links where the file system allows it: a process that may not pass through
 * the data directory reads them there.
 */
export async function copyByLinks(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  // Whatever the server's umask is.
  await chmod(to, 0o755)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name)
    const target = join(to, entry.name)
    if (entry.isDirectory()) await copyByLinks(source, target)
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target)
    else await linkOrCopy(source, target)
  }
}

async function linkOrCopy(source: string, target: string): Promise<void> {
  try {
    await link(source, target)
  } catch (error) {
    const isRefused =
      error instanceof Error && 'code' in error && ['EXDEV', 'EPERM', 'EMLINK'].includes(String(error.code))
    if (!isRefused) throw error
    await copyFile(source, target)
  }
}
