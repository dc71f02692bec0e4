/**
 * What is known of a deployment while nothing of it is open: `state.json` in its folder. It is marked open, durably, before
 * it opens, so after a crash those that may have had something due are known; a clean close leaves its next due time.
 */
import { open, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

const stateFile = 'state.json'
const stateSchema = z.union([
  z.object({ isOpen: z.literal(true) }),
  z.object({ isOpen: z.literal(false), nextDueMs: z.number().nullable() }),
])

/** `nextDueMs`: when the first scheduled function or cron job is due; null if there is none. */
export type DeploymentState = z.infer<typeof stateSchema>

/** A deployment that was never open has nothing due. */
export async function readDeploymentState(folder: string): Promise<DeploymentState> {
  let text: string
  try {
    text = await readFile(join(folder, stateFile), 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { isOpen: false, nextDueMs: null }
    throw error
  }
  return stateSchema.parse(JSON.parse(text))
}

/** Durable when it resolves. */
export async function writeDeploymentState(folder: string, state: DeploymentState): Promise<void> {
  const draft = join(folder, `${stateFile}.new`)
  await writeFile(draft, JSON.stringify(state), { flush: true })
  await rename(draft, join(folder, stateFile))
  const directory = await open(folder, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
