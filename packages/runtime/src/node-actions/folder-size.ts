import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** A file takes this much at least, however small it is. */
const blockBytes = 4096

/** Whether the files below a folder take more than `limitBytes`. What disappears meanwhile does not count. */
export async function exceeds(folder: string, limitBytes: number): Promise<boolean> {
  const folders = [folder]
  let bytes = 0
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    const entries = await readdir(next, { withFileTypes: true }).catch(() => [])
    for (const entry of entries) {
      const path = join(next, entry.name)
      if (entry.isDirectory()) folders.push(path)
      const size = await lstat(path).then(
        (stats) => stats.blocks * 512,
        () => 0,
      )
      bytes += Math.max(blockBytes, size)
      if (bytes > limitBytes) return true
    }
  }
  return false
}
