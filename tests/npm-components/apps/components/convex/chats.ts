import { PersistentTextStreaming, type StreamId, StreamIdValidator } from '@convex-dev/persistent-text-streaming'
import { v } from 'convex/values'
import { components, internal } from './_generated/api'
import { httpAction, internalQuery, mutation, query } from './_generated/server'

const streaming = new PersistentTextStreaming(components.persistentTextStreaming)

export const create = mutation({
  args: { prompt: v.string() },
  handler: async (ctx, { prompt }) => {
    const stream = await streaming.createStream(ctx)
    await ctx.db.insert('chats', { prompt, stream })
    return stream
  },
})

export const body = query({
  args: { stream: StreamIdValidator },
  handler: async (ctx, { stream }) => await streaming.getStreamBody(ctx, stream as StreamId),
})

/** Writes its second half only when it has been seen that someone wants it: `goOn` adds the event that it waits for. */
export const stream = httpAction(async (ctx, request) => {
  const { stream, fails } = (await request.json()) as { stream: string; fails?: boolean }
  const response = await streaming.stream(ctx, request, stream as StreamId, async (inner, _request, id, append) => {
    await append('Once upon a time. ')
    while ((await inner.runQuery(internal.chats.wanted, { stream: id })) === false)
      await new Promise((resolve) => setTimeout(resolve, 20))
    if (fails === true) throw new Error('the writer has no idea')
    await append('There was ')
    await append('an end.')
  })
  response.headers.set('Access-Control-Allow-Origin', '*')
  response.headers.set('Vary', 'Origin')
  return response
})

export const goOn = mutation({
  args: { stream: StreamIdValidator },
  handler: async (ctx, { stream }) => {
    await ctx.db.insert('events', { subject: stream, what: 'go on' })
  },
})

export const wanted = internalQuery({
  args: { stream: v.string() },
  handler: async (ctx, { stream }) =>
    (await ctx.db
      .query('events')
      .withIndex('by_subject', (q) => q.eq('subject', stream))
      .first()) !== null,
})
