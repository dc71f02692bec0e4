import { Crons } from '@convex-dev/crons'
import { v } from 'convex/values'
import { components, internal } from './_generated/api'
import { mutation, query } from './_generated/server'

const crons = new Crons(components.crons)

const schedule = v.union(
  v.object({ kind: v.literal('interval'), ms: v.number() }),
  v.object({ kind: v.literal('cron'), cronspec: v.string(), tz: v.optional(v.string()) }),
)

export const register = mutation({
  args: { schedule, name: v.optional(v.string()), subject: v.string() },
  handler: async (ctx, { schedule, name, subject }): Promise<string> =>
    await crons.register(ctx, schedule, internal.events.add, { subject, what: 'tick' }, name),
})

export const list = query({
  args: {},
  handler: async (ctx) => (await crons.list(ctx)).map(({ name, schedule }) => ({ name, schedule })),
})

export const get = query({
  args: { name: v.string() },
  handler: async (ctx, { name }) => (await crons.get(ctx, { name }))?.args ?? null,
})

export const remove = mutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    await crons.delete(ctx, { name })
  },
})
