import { HOUR, MINUTE, RateLimiter } from '@convex-dev/rate-limiter'
import { v } from 'convex/values'
import { components } from './_generated/api'
import { mutation, query } from './_generated/server'

const rateLimiter = new RateLimiter(components.rateLimiter, {
  trial: { kind: 'fixed window', rate: 3, period: MINUTE },
  message: { kind: 'token bucket', rate: 2, period: 1000, capacity: 2 },
  reserved: { kind: 'token bucket', rate: 1, period: MINUTE, maxReserved: 2 },
  sharded: { kind: 'token bucket', rate: 20, period: HOUR, shards: 4 },
  eventual: { kind: 'token bucket', rate: 5, period: MINUTE, applyUpdates: 'asynchronously' },
})

const limitName = v.union(
  v.literal('trial'),
  v.literal('message'),
  v.literal('reserved'),
  v.literal('sharded'),
  v.literal('eventual'),
)

export const limit = mutation({
  args: {
    name: limitName,
    key: v.optional(v.string()),
    count: v.optional(v.number()),
    throws: v.optional(v.boolean()),
    reserve: v.optional(v.boolean()),
  },
  handler: async (ctx, { name, ...options }) => await rateLimiter.limit(ctx, name, options),
})

export const limitThenFail = mutation({
  args: { key: v.string() },
  handler: async (ctx, { key }) => {
    await rateLimiter.limit(ctx, 'trial', { key })
    throw new Error('after the limit')
  },
})

export const check = query({
  args: { name: limitName, key: v.optional(v.string()) },
  handler: async (ctx, { name, key }) => await rateLimiter.check(ctx, name, { key }),
})

export const value = query({
  args: { name: limitName, key: v.optional(v.string()) },
  handler: async (ctx, { name, key }) => await rateLimiter.getValue(ctx, name, { key }),
})

export const reset = mutation({
  args: { name: limitName, key: v.optional(v.string()) },
  handler: async (ctx, { name, key }) => {
    await rateLimiter.reset(ctx, name, { key })
  },
})

export const { getRateLimit, getServerTime } = rateLimiter.hookAPI('trial', { key: (_ctx, key) => key ?? 'nobody' })
