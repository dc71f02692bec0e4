/** Which processes are there, as Linux tells it. */
import { readdir, readFile } from 'node:fs/promises'

export type ProcessEntry = { readonly pid: number; readonly parentPid: number; readonly command: string }

export async function listProcesses(): Promise<readonly ProcessEntry[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const entries = await Promise.all(pids.map(async (pid) => await readEntry(Number(pid))))
  return entries.filter((entry) => entry !== undefined)
}

/** Children, their children and so on. */
export async function listDescendants(pid: number): Promise<readonly ProcessEntry[]> {
  const all = await listProcesses()
  const found: ProcessEntry[] = []
  const visit = (parentPid: number): void => {
    for (const entry of all.filter((candidate) => candidate.parentPid === parentPid)) {
      found.push(entry)
      visit(entry.pid)
    }
  }
  visit(pid)
  return found
}

/** Undefined when the process has ended, also when only its exit status is left to be collected. */
async function readEntry(pid: number): Promise<ProcessEntry | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    const [state, parentPid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (state === 'Z') return undefined
    const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').trim()
    return { pid, parentPid: Number(parentPid), command }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}
