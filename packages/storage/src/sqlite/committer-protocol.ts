/** Messages between the serving thread and a committer thread. `path` names the database. */
import type { PruneBounds, Ts } from '../storage.ts'

export type HeadRow = { readonly ts: Ts; readonly generation: string; readonly historyBound: Ts; readonly logBound: Ts }

/** One request by kind, and what answers it. */
export type CommitterCalls = {
  open: { request: { readonly cacheKib: number; readonly generation: string }; answer: HeadRow }
  /** `ts`: the head after the batch if `ok`, else the head that was met. */
  append: {
    request: { readonly expectTs: Ts; readonly batchId: string; readonly batch: Uint8Array<ArrayBuffer> }
    answer: { readonly ok: boolean; readonly ts: Ts }
  }
  bulk: { request: { readonly rows: Uint8Array<ArrayBuffer> }; answer: null }
  setMeta: {
    request: { readonly key: string; readonly value: string; readonly ifVersion: number }
    answer: boolean
  }
  prune: {
    request: { readonly bounds: PruneBounds; readonly maxRows: number }
    answer: { readonly done: boolean; readonly historyBound: Ts; readonly logBound: Ts }
  }
  close: { request: object; answer: null }
}

export type CallKind = keyof CommitterCalls
export type CallRequest<K extends CallKind> = CommitterCalls[K]['request']
export type CallAnswer<K extends CallKind> = CommitterCalls[K]['answer']

export type CommitterRequest = {
  [K in CallKind]: { readonly kind: K; readonly requestId: number; readonly path: string } & CallRequest<K>
}[CallKind]

/** Requests that run inside a transaction. */
export type WriteRequest = Exclude<CommitterRequest, { kind: 'open' | 'close' }>

export type CommitterReply = { readonly requestId: number } & (
  | { readonly ok: true; readonly answer: CallAnswer<CallKind> }
  /** `isBug`: an invariant was broken and nothing was written. Otherwise it is unknown whether anything was. */
  | { readonly ok: false; readonly isBug: boolean; readonly message: string }
)

/** passive: what can be copied without waiting. restart: also start the write-ahead log anew. truncate: and shrink it. */
export type CheckpointMode = 'passive' | 'restart' | 'truncate'

export type FromCommitter =
  | { readonly kind: 'replies'; readonly replies: readonly CommitterReply[] }
  | { readonly kind: 'checkpoint'; readonly path: string; readonly mode: CheckpointMode }

export type ToCommitter =
  | { readonly kind: 'request'; readonly request: CommitterRequest }
  | { readonly kind: 'checkpointed'; readonly path: string }

export type CheckpointRequest = { readonly path: string; readonly mode: CheckpointMode }
export type CheckpointReply = { readonly path: string; readonly error: string | null }
