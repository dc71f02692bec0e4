/** Copies write-ahead logs into their databases, away from the committers, which a checkpoint would stall for tens of ms. */
import { assert } from '@concave/base'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { parentPort } from 'node:worker_threads'
import type { CheckpointReply, CheckpointRequest } from './committer-protocol.ts'

assert(parentPort !== null, 'Checkpoints run in a worker thread.')
const port = parentPort

port.on('message', (request: CheckpointRequest) => {
  const reply: CheckpointReply = { path: request.path, error: checkpoint(request) }
  port.postMessage(reply)
})

function checkpoint({ path, mode }: CheckpointRequest): string | null {
  try {
    // mode=rw: a database that was closed and deleted meanwhile must not come back as an empty file.
    const database = new DatabaseSync(new URL(`${pathToFileURL(path).href}?mode=rw`), {
      enableForeignKeyConstraints: false,
      timeout: 1000,
    })
    try {
      database.exec('PRAGMA synchronous = FULL')
      // Passive first: restart and truncate hold the write lock while they copy, so leave them little to do.
      database.exec('PRAGMA wal_checkpoint(PASSIVE)')
      if (mode !== 'passive') database.exec(`PRAGMA wal_checkpoint(${mode})`)
    } finally {
      database.close()
    }
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
