import { ActionCache } from '@convex-dev/action-cache'
import { v } from 'convex/values'
import { components, internal } from './_generated/api'
import { action, internalAction, mutation } from './_generated/server'

/** Every run is an event, so that hits and misses can be told apart. */
export const compute = internalAction({
  args: { subject: v.string(), x: v.number() },
  handler: async (ctx, { subject, x }): Promise<number> => {
    await ctx.runMutation(internal.events.add, { subject, what: x })
    return x * x
  },
})

const lasting = new ActionCache(components.actionCache, { action: internal.cache.compute, name: 'lasting' })

const args = { subject: v.string(), x: v.number() }

export const fetch = action({
  args: { ...args, force: v.optional(v.boolean()), ttl: v.optional(v.number()) },
  handler: async (ctx, { force = false, ttl, ...rest }): Promise<number> =>
    await lasting.fetch(ctx, rest, ttl === undefined ? { force } : { force, ttl }),
})

export const remove = mutation({
  args,
  handler: async (ctx, rest) => {
    await lasting.remove(ctx, rest)
  },
})

export const removeAll = mutation({
  args: {},
  handler: async (ctx) => {
    await lasting.removeAllForName(ctx)
  },
})
