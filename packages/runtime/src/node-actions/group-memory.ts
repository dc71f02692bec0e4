import { readdir, readFile } from 'node:fs/promises'

const pageBytes = 4096

/** Resident memory of one process; undefined where the system does not tell, or it is gone. */
export async function readMemoryBytes(pid: number): Promise<number | undefined> {
  try {
    // proc(5): the second field of statm is the resident set, in pages.
    return Number((await readFile(`/proc/${pid}/statm`, 'latin1')).split(' ')[1]) * pageBytes
  } catch {
    return undefined
  }
}

/** Of all processes of one group together: a process and the programs that it has started. */
export async function readGroupMemoryBytes(groupId: number): Promise<number> {
  let bytes = 0
  // What cannot be listed now is looked at a moment later.
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name)) continue
    const stat = await readFile(`/proc/${name}/stat`, 'latin1').catch(() => undefined)
    // Fields after the name in parentheses: state, parent, group.
    const group = stat === undefined ? undefined : Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2])
    if (group === groupId) bytes += (await readMemoryBytes(Number(name))) ?? 0
  }
  return bytes
}
