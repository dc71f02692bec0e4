import { setFlagsFromString } from 'node:v8'
import ivm from 'isolated-vm'
import type { BootHeader } from '../protocol.ts'
import type { BlockingChannel } from './blocking-channel.ts'

export type Boot = {
  readonly options: BootHeader
  readonly snapshot: ivm.ExternalCopy<ArrayBuffer>
  /** The snapshot for the supervisor, in base64; empty if it was the supervisor's. */
  readonly snapshotText: () => string
}

// isolated-vm knows rejections that nobody handles by weak references alone: one that is collected before user code gives
// way is lost. Its own young generation of half a megabyte would be collected within most calls.
const youngMb = 4
setFlagsFromString(`--max-semi-space-size=${youngMb}`)
setFlagsFromString(`--min-semi-space-size=${youngMb}`)

/** Reads the first frame: options, the isolate script, and the snapshot that an earlier runner made of it, if any. */
export function readBoot(channel: BlockingChannel): Boot {
  const [header = '', script = '', given = ''] = channel.read().texts
  const options = JSON.parse(header) as BootHeader
  if (given !== '') return { options, snapshot: decodeSnapshot(given), snapshotText: () => '' }
  const snapshot = ivm.Isolate.createSnapshot([{ code: script, filename: 'concave:isolate.js' }])
  return { options, snapshot, snapshotText: () => Buffer.from(snapshot.copy()).toString('base64') }
}

function decodeSnapshot(text: string): ivm.ExternalCopy<ArrayBuffer> {
  // A buffer of its own: `Buffer.from` may give a view of a shared one.
  const bytes = new Uint8Array(Buffer.from(text, 'base64'))
  return new ivm.ExternalCopy(bytes.buffer)
}
