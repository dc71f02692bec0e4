/**
 * The program of the egress process: makes the network requests of actions, so that what comes from the network is read,
 * decrypted and unpacked where nobody else is served. Bodies go piece by piece in both directions, each piece asked for.
 */
import { Socket } from 'node:net'
import { createDeferred, type Deferred } from '@concave/base'
import type { ByteSource } from '../action.ts'
import type { EgressRequest } from '../egress.ts'
import { FailedTransfer } from '../failed-transfer.ts'
import { HttpEgress } from '../http-egress.ts'
import { type EgressFrame, EgressFrameParser, egressKinds, encodeEgressFrame } from './egress-frames.ts'

/** Of a frame from the server: a body that was in an action's memory. */
const maxFrameBytes = 256 * 1024 * 1024

type FetchText = Omit<EgressRequest, 'body'> & { readonly body: 'none' | 'bytes' | 'stream' }

const egress = new HttpEgress({ allowsPrivate: process.argv.includes('allow-private') })
const socket = new Socket({ fd: 3 })
const parser = new EgressFrameParser({ maxFrameBytes })
const aborts = new Map<number, AbortController>()
const received = new Map<number, ByteSource>()
const awaited = new Map<number, Deferred<Uint8Array | undefined>>()

socket.on('data', (chunk) => {
  for (const frame of parser.push(chunk)) handle(frame)
})
// The server is gone: there is nobody to fetch for.
socket.on('close', () => process.exit(0))

function send(...frame: Parameters<typeof encodeEgressFrame>): void {
  socket.write(encodeEgressFrame(...frame))
}

function handle({ kind, id, text, bytes }: EgressFrame): void {
  switch (kind) {
    case egressKinds.fetch:
      void fetchFor(id, JSON.parse(text) as FetchText, bytes)
      return
    case egressKinds.read:
      void readFor(id)
      return
    case egressKinds.cancel:
      received.get(id)?.cancel()
      end(id)
      return
    case egressKinds.abort:
      aborts.get(id)?.abort()
      return
    case egressKinds.sentPiece:
      awaited.get(id)?.resolve(bytes)
      return
    case egressKinds.sentEnd:
      awaited.get(id)?.resolve(undefined)
      return
    case egressKinds.sentFailed:
      awaited.get(id)?.reject(new Error(text))
      return
    default:
      throw new Error(`Unexpected frame kind ${kind}.`)
  }
}

async function fetchFor(id: number, { body, ...request }: FetchText, bytes: Uint8Array): Promise<void> {
  const controller = new AbortController()
  aborts.set(id, controller)
  try {
    const sent = body === 'none' ? undefined : body === 'bytes' ? bytes : askedBody(id)
    const { body: source, ...head } = await egress.fetch({ ...request, body: sent }, controller.signal)
    if (source !== undefined) received.set(id, source)
    send(egressKinds.head, id, JSON.stringify({ ...head, hasBody: source !== undefined }))
    if (source === undefined) end(id)
  } catch (error) {
    // Our own bug is not for user code to see; what it was is in the process's last words.
    if (!(error instanceof FailedTransfer)) process.stderr.write(`${String(error)}\n`)
    send(egressKinds.failed, id, error instanceof FailedTransfer ? error.message : 'fetch failed')
    end(id)
  }
}

async function readFor(id: number): Promise<void> {
  const source = received.get(id)
  if (source === undefined) return
  try {
    const piece = await source.read()
    if (piece !== undefined) {
      send(egressKinds.piece, id, '', piece)
      return
    }
    send(egressKinds.end, id)
  } catch (error) {
    send(egressKinds.broken, id, error instanceof Error ? error.message : 'terminated')
  }
  end(id)
}

function end(id: number): void {
  received.delete(id)
  aborts.delete(id)
}

function askedBody(id: number): ByteSource {
  return {
    read: async () => {
      const piece = createDeferred<Uint8Array | undefined>()
      awaited.set(id, piece)
      send(egressKinds.wantBody, id)
      try {
        return await piece.promise
      } finally {
        awaited.delete(id)
      }
    },
    cancel: () => undefined,
  }
}
