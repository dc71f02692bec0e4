/** Messages of the WebSocket sync protocol, client to server, as parsed; server to client, as types (sync-and-http.md §1.2, §1.3). */
import { z } from 'zod'
import { decodeTs } from './ts-encoding.ts'

const u32 = z.number().int().min(0).max(0xffff_ffff)
const tsText = z.string().transform((text, context) => {
  const ts = decodeTs(text)
  if (ts === undefined) context.addIssue({ code: 'custom', message: 'not a timestamp' })
  return ts ?? 0n
})

const connect = z.object({
  type: z.literal('Connect'),
  sessionId: z.uuid(),
  connectionCount: u32,
  lastCloseReason: z.string().nullish(),
  maxObservedTimestamp: tsText.optional(),
  clientTs: z.number().optional(),
})

const addQuery = z.object({
  type: z.literal('Add'),
  queryId: u32,
  udfPath: z.string(),
  args: z.array(z.unknown()),
  journal: z.string().nullish(),
  componentPath: z.string().optional(),
})
const removeQuery = z.object({ type: z.literal('Remove'), queryId: u32 })

const modifyQuerySet = z.object({
  type: z.literal('ModifyQuerySet'),
  baseVersion: u32,
  newVersion: u32,
  modifications: z.array(z.discriminatedUnion('type', [addQuery, removeQuery])),
})

const callFields = {
  requestId: u32,
  udfPath: z.string(),
  args: z.array(z.unknown()),
  componentPath: z.string().optional(),
}
const mutation = z.object({ type: z.literal('Mutation'), ...callFields })
const action = z.object({ type: z.literal('Action'), ...callFields })

const authenticate = z.object({
  type: z.literal('Authenticate'),
  baseVersion: u32,
  tokenType: z.enum(['User', 'Admin', 'None']),
  value: z.string().optional(),
  impersonating: z.record(z.string(), z.unknown()).nullish(),
  acting_as: z.record(z.string(), z.unknown()).nullish(),
})

const event = z.object({ type: z.literal('Event'), eventType: z.string(), event: z.unknown() })

export const clientMessageSchema = z.discriminatedUnion('type', [
  connect,
  modifyQuerySet,
  mutation,
  action,
  authenticate,
  event,
])

export type ClientMessage = z.infer<typeof clientMessageSchema>
export type ConnectMessage = z.infer<typeof connect>
export type ModifyQuerySetMessage = z.infer<typeof modifyQuerySet>
export type AuthenticateMessage = z.infer<typeof authenticate>
export type CallMessage = z.infer<typeof mutation> | z.infer<typeof action>

/** `ts` is the text form of `encodeTs`. */
export type StateVersion = { readonly querySet: number; readonly identity: number; readonly ts: string }
