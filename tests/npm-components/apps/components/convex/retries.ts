import { ActionRetrier, onCompleteValidator, type RunId, runIdValidator } from '@convex-dev/action-retrier'
import { v } from 'convex/values'
import { components, internal } from './_generated/api'
import { internalAction, internalMutation, mutation, query } from './_generated/server'

const retrier = new ActionRetrier(components.actionRetrier, { initialBackoffMs: 10, base: 2, maxFailures: 3 })

export const flaky = internalAction({
  args: { subject: v.string(), failures: v.number() },
  handler: async (ctx, { subject, failures }): Promise<string> => {
    const before: number = await ctx.runMutation(internal.retries.attempt, { subject })
    if (before < failures) throw new Error(`failure ${before + 1}`)
    return `attempt ${before + 1}`
  },
})

export const attempt = internalMutation({
  args: { subject: v.string() },
  handler: async (ctx, { subject }) => {
    const events = await ctx.db
      .query('events')
      .withIndex('by_subject', (q) => q.eq('subject', subject))
      .collect()
    await ctx.db.insert('events', { subject, what: `attempt ${events.length + 1}` })
    return events.length
  },
})

export const completed = internalMutation({
  args: onCompleteValidator,
  handler: async (ctx, { runId, result }) => {
    await ctx.db.insert('events', { subject: runId, what: result })
  },
})

export const start = mutation({
  args: { subject: v.string(), failures: v.number(), runAfterMs: v.optional(v.number()) },
  handler: async (ctx, { subject, failures, runAfterMs }): Promise<RunId> => {
    const options = { onComplete: internal.retries.completed }
    const args = { subject, failures }
    if (runAfterMs === undefined) return await retrier.run(ctx, internal.retries.flaky, args, options)
    return await retrier.runAfter(ctx, runAfterMs, internal.retries.flaky, args, options)
  },
})

export const status = query({
  args: { runId: runIdValidator },
  handler: async (ctx, { runId }) => await retrier.status(ctx, runId),
})

export const cancel = mutation({
  args: { runId: runIdValidator },
  handler: async (ctx, { runId }) => {
    await retrier.cancel(ctx, runId)
  },
})

export const cleanup = mutation({
  args: { runId: runIdValidator },
  handler: async (ctx, { runId }) => {
    await retrier.cleanup(ctx, runId)
  },
})
