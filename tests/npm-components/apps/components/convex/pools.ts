import { NonRetryableError, vOnCompleteArgs, vWorkId, type WorkId, Workpool } from '@convex-dev/workpool'
import { v } from 'convex/values'
import { components, internal } from './_generated/api'
import { internalAction, internalMutation, internalQuery, mutation, query } from './_generated/server'

const pools = {
  serial: new Workpool(components.serialPool, { maxParallelism: 1, logLevel: 'ERROR' }),
  wide: new Workpool(components.widePool, {
    maxParallelism: 10,
    logLevel: 'ERROR',
    defaultRetryBehavior: { maxAttempts: 3, initialBackoffMs: 10, base: 2 },
  }),
}
const poolName = v.union(v.literal('serial'), v.literal('wide'))

/** Says when it began and ended. */
export const work = internalAction({
  args: { subject: v.string(), name: v.string(), takesMs: v.number() },
  handler: async (ctx, { subject, name, takesMs }) => {
    await ctx.runMutation(internal.events.add, { subject, what: `begin ${name}` })
    await new Promise((resolve) => setTimeout(resolve, takesMs))
    await ctx.runMutation(internal.events.add, { subject, what: `end ${name}` })
    return `${name} done`
  },
})

export const fail = internalAction({
  args: { subject: v.string(), isFinal: v.boolean() },
  handler: async (ctx, { subject, isFinal }) => {
    await ctx.runMutation(internal.events.add, { subject, what: 'attempt' })
    if (isFinal) throw new NonRetryableError('never again')
    throw new Error('this time')
  },
})

export const increment = internalMutation({
  args: { subject: v.string() },
  handler: async (ctx, { subject }) => {
    await ctx.db.insert('events', { subject, what: 'incremented' })
    return 'one more'
  },
})

export const look = internalQuery({ args: { subject: v.string() }, handler: async () => 'seen' })

export const completed = internalMutation({
  args: vOnCompleteArgs(v.object({ subject: v.string() })),
  handler: async (ctx, { context, result }) => {
    await ctx.db.insert('events', { subject: `${context.subject} completed`, what: result })
  },
})

const complete = (subject: string) => ({ onComplete: internal.pools.completed, context: { subject } })

export const enqueueWork = mutation({
  args: { pool: poolName, subject: v.string(), names: v.array(v.string()), takesMs: v.number() },
  handler: async (ctx, { pool, subject, names, takesMs }): Promise<WorkId[]> =>
    await pools[pool].enqueueActionBatch(
      ctx,
      internal.pools.work,
      names.map((name) => ({ subject, name, takesMs })),
      complete(subject),
    ),
})

export const enqueueFailure = mutation({
  args: { subject: v.string(), isFinal: v.boolean() },
  handler: async (ctx, args): Promise<WorkId> =>
    await pools.wide.enqueueAction(ctx, internal.pools.fail, args, { retry: true, ...complete(args.subject) }),
})

export const enqueueOthers = mutation({
  args: { subject: v.string() },
  handler: async (ctx, args): Promise<void> => {
    await pools.wide.enqueueMutation(ctx, internal.pools.increment, args, complete(args.subject))
    await pools.wide.enqueueQuery(ctx, internal.pools.look, args, complete(args.subject))
  },
})

export const enqueueLater = mutation({
  args: { subject: v.string() },
  handler: async (ctx, args): Promise<WorkId> =>
    await pools.wide.enqueueMutation(ctx, internal.pools.increment, args, {
      runAfter: 3_600_000,
      ...complete(args.subject),
    }),
})

export const cancel = mutation({
  args: { pool: poolName, id: vWorkId },
  handler: async (ctx, { pool, id }) => {
    await pools[pool].cancel(ctx, id)
  },
})

export const status = query({
  args: { pool: poolName, id: vWorkId },
  handler: async (ctx, { pool, id }) => await pools[pool].status(ctx, id),
})
