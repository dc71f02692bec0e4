import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new folder that only its owner can read. Whoever asked for it removes it. */
export async function makeTemporaryFolder(purpose: string): Promise<string> {
  return await mkdtemp(join(tmpdir(), `concave-${purpose}-`))
}
