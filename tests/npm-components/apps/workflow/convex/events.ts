import { v } from 'convex/values'
import { internalMutation, query } from './_generated/server'

export const add = internalMutation({
  args: { subject: v.string(), what: v.any() },
  handler: async (ctx, event) => {
    await ctx.db.insert('events', event)
  },
})

export const list = query({
  args: { subject: v.string() },
  handler: async (ctx, { subject }) => {
    const events = await ctx.db
      .query('events')
      .withIndex('by_subject', (q) => q.eq('subject', subject))
      .collect()
    return events.map(({ what }) => what)
  },
})
