import { ShardedCounter } from '@convex-dev/sharded-counter'
import { v } from 'convex/values'
import { components } from './_generated/api'
import { mutation, query } from './_generated/server'

const counter = new ShardedCounter<string>(components.shardedCounter, { shards: { few: 2 }, defaultShards: 8 })

const args = { name: v.string(), by: v.optional(v.number()) }

export const add = mutation({ args, handler: async (ctx, { name, by = 1 }) => await counter.add(ctx, name, by) })

export const subtract = mutation({
  args,
  handler: async (ctx, { name, by = 1 }) => await counter.subtract(ctx, name, by),
})

export const addThenFail = mutation({
  args,
  handler: async (ctx, { name }) => {
    await counter.inc(ctx, name)
    throw new Error('after the count')
  },
})

export const count = query({ args, handler: async (ctx, { name }) => await counter.count(ctx, name) })

export const estimate = query({
  args,
  handler: async (ctx, { name }) => (await counter.estimateCount(ctx, name, 8)) as number,
})

export const rebalance = mutation({ args, handler: async (ctx, { name }) => await counter.rebalance(ctx, name) })

export const reset = mutation({ args, handler: async (ctx, { name }) => await counter.reset(ctx, name) })
