/**
 * A committer thread: writes the databases that were hashed to it. It takes all requests that wait, writes those of one
 * database in one transaction, and answers them together, so that one sync pays for many appends under load.
 */
import { assert } from '@concave/base'
import { parentPort, receiveMessageOnPort } from 'node:worker_threads'
import type {
  CheckpointMode,
  CommitterReply,
  CommitterRequest,
  FromCommitter,
  ToCommitter,
  WriteRequest,
} from './committer-protocol.ts'
import { DatabaseWriter } from './database-writer.ts'
import { passivePages, restartPages, truncatePages, walCheckBytes } from './sqlite-limits.ts'

type OpenDatabase = { readonly writer: DatabaseWriter; uncheckedBytes: number; isCheckpointing: boolean }

assert(parentPort !== null, 'The committer runs in a worker thread.')
const port = parentPort
const databases = new Map<string, OpenDatabase>()

port.on('message', (first: ToCommitter) => {
  const requestsByPath = new Map<string, CommitterRequest[]>()
  for (let message: ToCommitter | undefined = first; message !== undefined; message = nextMessage()) {
    if (message.kind === 'request') {
      const waiting = requestsByPath.get(message.request.path)
      if (waiting === undefined) requestsByPath.set(message.request.path, [message.request])
      else waiting.push(message.request)
    } else {
      const database = databases.get(message.path)
      if (database !== undefined) database.isCheckpointing = false
    }
  }
  for (const [path, requests] of requestsByPath) {
    send({ kind: 'replies', replies: answerAll(path, requests) })
    requestCheckpoint(path)
  }
})

function nextMessage(): ToCommitter | undefined {
  return receiveMessageOnPort(port)?.message as ToCommitter | undefined
}

function send(message: FromCommitter): void {
  port.postMessage(message)
}

/** In the order of the requests; neighbours that write share a transaction. */
function answerAll(path: string, requests: readonly CommitterRequest[]): CommitterReply[] {
  const replies: CommitterReply[] = []
  let group: WriteRequest[] = []
  for (const request of requests) {
    if (request.kind !== 'open' && request.kind !== 'close') {
      group.push(request)
      continue
    }
    replies.push(...answerGroup(path, group), answerLifetime(request))
    group = []
  }
  replies.push(...answerGroup(path, group))
  return replies
}

function answerGroup(path: string, group: readonly WriteRequest[]): CommitterReply[] {
  if (group.length === 0) return []
  const database = databases.get(path)
  if (database === undefined)
    return group.map(({ requestId }) => failure(requestId, new Error('The database is not open.')))
  try {
    const replies = database.writer.write(group)
    for (const request of group) database.uncheckedBytes += requestBytes(request)
    return replies
  } catch (error) {
    // After a failed write or sync nothing that this connection believes is to be trusted.
    databases.delete(path)
    closeQuietly(database.writer)
    return group.map(({ requestId }) => failure(requestId, error))
  }
}

function answerLifetime(request: Extract<CommitterRequest, { kind: 'open' | 'close' }>): CommitterReply {
  const { path, requestId } = request
  try {
    if (request.kind === 'open') {
      const writer = databases.get(path)?.writer ?? new DatabaseWriter(path, request)
      databases.set(path, { writer, uncheckedBytes: 0, isCheckpointing: false })
      return { requestId, ok: true, answer: writer.head() }
    }
    const database = databases.get(path)
    databases.delete(path)
    database?.writer.close()
    return { requestId, ok: true, answer: null }
  } catch (error) {
    return failure(requestId, error)
  }
}

/** Looks at the write-ahead log every so many bytes and asks for a checkpoint, which another thread makes. */
function requestCheckpoint(path: string): void {
  const database = databases.get(path)
  if (database === undefined || database.isCheckpointing || database.uncheckedBytes < walCheckBytes) return
  database.uncheckedBytes = 0
  const { pages, copiedPages } = database.writer.walState()
  const mode: CheckpointMode | undefined =
    pages >= truncatePages
      ? 'truncate'
      : pages >= restartPages
        ? 'restart'
        : pages - copiedPages >= passivePages
          ? 'passive'
          : undefined
  if (mode === undefined) return
  database.isCheckpointing = true
  send({ kind: 'checkpoint', path, mode })
}

function requestBytes(request: WriteRequest): number {
  switch (request.kind) {
    case 'append':
      return request.batch.length
    case 'bulk':
      return request.rows.length
    case 'setMeta':
      return request.value.length
    case 'prune':
      return request.maxRows * 100
  }
}

function failure(requestId: number, error: unknown): CommitterReply {
  return { requestId, ok: false, isBug: false, message: error instanceof Error ? error.message : String(error) }
}

function closeQuietly(writer: DatabaseWriter): void {
  try {
    writer.close()
  } catch {
    // The failure that made us close it has been reported; there is nothing left to save.
  }
}
