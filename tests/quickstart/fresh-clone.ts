/** What somebody has who just cloned this repository: every file that belongs to it and nothing that was made since. */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const maxListingBytes = 16 * 1024 * 1024

export type FreshClone = AsyncDisposable & { readonly path: string }

/** Includes changes that are not committed yet, so that tests see them; leaves out what git ignores. */
export async function openFreshClone(repository: string): Promise<FreshClone> {
  const listing = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate']
  // The checkout may belong to another user, as in containers.
  const git = await promisify(execFile)('git', ['-c', 'safe.directory=*', ...listing], {
    cwd: repository,
    maxBuffer: maxListingBytes,
  })
  const path = await mkdtemp(join(tmpdir(), 'concave-clone-'))
  for (const file of git.stdout.split('\0').filter((name) => name !== '')) {
    await cp(join(repository, file), join(path, file), { recursive: true }).catch(ignoreDeleted)
  }
  return { path, [Symbol.asyncDispose]: async () => await rm(path, { recursive: true, force: true }) }
}

/** A file that git knows and that was deleted since. */
function ignoreDeleted(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
