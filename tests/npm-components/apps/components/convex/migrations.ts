import { Migrations } from '@convex-dev/migrations'
import { v } from 'convex/values'
import { components, internal } from './_generated/api'
import type { DataModel } from './_generated/dataModel'
import { internalMutation, mutation, query } from './_generated/server'

const migrations = new Migrations<DataModel>(components.migrations)

export const run = migrations.runner()

export const greet = migrations.define({
  table: 'users',
  batchSize: 10,
  migrateOne: (_ctx, user) => ({ greeting: `Hello, ${user.name}.` }),
})

export const shout = migrations.define({
  table: 'users',
  batchSize: 10,
  migrateOne: (_ctx, user) => ({ greeting: user.greeting?.toUpperCase() }),
})

/** Fails at one user until `mend` has been called. */
export const stumble = migrations.define({
  table: 'users',
  batchSize: 10,
  migrateOne: async (ctx, user) => {
    if (user.name === 'user 25' && (await ctx.db.query('photos').first()) === null) throw new Error('user 25 is odd')
    await ctx.db.patch(user._id, { greeting: `${user.greeting}!` })
  },
})

export const runAll = migrations.runner([internal.migrations.greet, internal.migrations.shout])

export const start = mutation({
  args: { name: v.literal('stumble') },
  handler: async (ctx) => {
    await migrations.runOne(ctx, internal.migrations.stumble)
  },
})

export const mend = internalMutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert('photos', { album: 'mended', name: 'mended' })
  },
})

export const addUsers = internalMutation({
  args: { count: v.number() },
  handler: async (ctx, { count }) => {
    for (let index = 0; index < count; index++) await ctx.db.insert('users', { name: `user ${index}` })
  },
})

export const greetings = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query('users').collect()).map(({ greeting }) => greeting ?? null),
})

export const status = query({
  args: {},
  handler: async (ctx) => {
    const found = await migrations.getStatus(ctx, {
      migrations: [internal.migrations.greet, internal.migrations.shout, internal.migrations.stumble],
    })
    return found.map(({ name, state, isDone, processed, error }) => ({ name, state, isDone, processed, error }))
  },
})
