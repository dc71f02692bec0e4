import { ConvexError, v } from 'convex/values'
import { mutation, query } from './_generated/server'

const maxBodyLength = 2000

/** The newest 50 messages of a channel, oldest first. Every client that watches it is updated when it changes. */
export const list = query({
  args: { channel: v.string() },
  returns: v.array(
    v.object({
      _id: v.id('messages'),
      _creationTime: v.number(),
      channel: v.string(),
      author: v.string(),
      body: v.string(),
    }),
  ),
  handler: async (ctx, { channel }) => {
    const newest = await ctx.db
      .query('messages')
      .withIndex('by_channel', (q) => q.eq('channel', channel))
      .order('desc')
      .take(50)
    return newest.reverse()
  },
})

export const send = mutation({
  args: { channel: v.string(), author: v.string(), body: v.string() },
  returns: v.id('messages'),
  handler: async (ctx, { channel, author, body }) => {
    if (body.trim() === '') throw new ConvexError('A message needs some text.')
    if (body.length > maxBodyLength) throw new ConvexError(`A message has at most ${maxBodyLength} characters.`)
    return await ctx.db.insert('messages', { channel, author, body })
  },
})
