import { defineEvent, vResultValidator, vWorkflowId, type WorkflowId, WorkflowManager } from '@convex-dev/workflow'
import { v } from 'convex/values'
import { components, internal } from './_generated/api'
import { internalAction, internalMutation, internalQuery, mutation, query } from './_generated/server'

const workflow = new WorkflowManager(components.workflow, {
  workpoolOptions: { defaultRetryBehavior: { maxAttempts: 3, initialBackoffMs: 10, base: 2 } },
})

const approval = defineEvent({ name: 'approval', validator: v.object({ by: v.string() }) })

/** A query, an action that fails at first, two steps at once, an event, another workflow, and a mutation. */
export const order = workflow.define({
  args: { subject: v.string(), price: v.number() },
  returns: v.object({ total: v.number(), approvedBy: v.string(), packed: v.array(v.string()), child: v.string() }),
  handler: async (step, { subject, price }) => {
    const tax = await step.runQuery(internal.orders.tax, { price })
    const charged = await step.runAction(internal.orders.charge, { subject, amount: price + tax }, { retry: true })
    const packed = await Promise.all([
      step.runAction(internal.orders.pack, { subject, part: 'left' }),
      step.runAction(internal.orders.pack, { subject, part: 'right' }),
    ])
    const { by } = await step.awaitEvent(approval)
    await step.sleep(20)
    const child = await step.runWorkflow(internal.orders.notify, { subject })
    await step.runMutation(internal.events.add, { subject, what: 'shipped' }, { inline: true })
    return { total: charged, approvedBy: by, packed, child }
  },
})

export const notify = workflow.define({
  args: { subject: v.string() },
  returns: v.string(),
  handler: async (step, { subject }): Promise<string> => {
    await step.runMutation(internal.events.add, { subject, what: 'notified' })
    return 'told'
  },
})

export const doomed = workflow.define({
  args: { subject: v.string() },
  handler: async (step, { subject }): Promise<void> => {
    await step.runAction(internal.orders.fail, { subject })
  },
})

export const tax = internalQuery({ args: { price: v.number() }, handler: async (_ctx, { price }) => price / 10 })

export const charge = internalAction({
  args: { subject: v.string(), amount: v.number() },
  handler: async (ctx, { subject, amount }): Promise<number> => {
    const before: unknown[] = await ctx.runQuery(internal.orders.seen, { subject })
    await ctx.runMutation(internal.events.add, { subject, what: 'charging' })
    if (before.length < 2) throw new Error('the bank is closed')
    return amount
  },
})

export const seen = internalQuery({
  args: { subject: v.string() },
  handler: async (ctx, { subject }) =>
    await ctx.db
      .query('events')
      .withIndex('by_subject', (q) => q.eq('subject', subject))
      .collect(),
})

export const pack = internalAction({
  args: { subject: v.string(), part: v.string() },
  handler: async (ctx, { subject, part }) => {
    await ctx.runMutation(internal.events.add, { subject, what: `packed ${part}` })
    return part
  },
})

export const fail = internalAction({
  args: { subject: v.string() },
  handler: async () => {
    throw new Error('no way')
  },
})

export const completed = internalMutation({
  args: { workflowId: vWorkflowId, result: vResultValidator, context: v.object({ subject: v.string() }) },
  handler: async (ctx, { context, result }) => {
    await ctx.db.insert('events', { subject: `${context.subject} completed`, what: result })
  },
})

export const start = mutation({
  args: { subject: v.string(), price: v.number() },
  handler: async (ctx, { subject, price }): Promise<WorkflowId> =>
    await workflow.start(
      ctx,
      internal.orders.order,
      { subject, price },
      { onComplete: internal.orders.completed, context: { subject } },
    ),
})

export const startDoomed = mutation({
  args: { subject: v.string() },
  handler: async (ctx, { subject }): Promise<WorkflowId> =>
    await workflow.start(
      ctx,
      internal.orders.doomed,
      { subject },
      { onComplete: internal.orders.completed, context: { subject } },
    ),
})

export const approve = mutation({
  args: { workflowId: vWorkflowId, by: v.string() },
  handler: async (ctx, { workflowId, by }) => {
    await workflow.sendEvent(ctx, { ...approval, workflowId, value: { by } })
  },
})

export const cancel = mutation({
  args: { workflowId: vWorkflowId },
  handler: async (ctx, { workflowId }) => {
    await workflow.cancel(ctx, workflowId)
  },
})

export const cleanup = mutation({
  args: { workflowId: vWorkflowId },
  handler: async (ctx, { workflowId }) => await workflow.cleanup(ctx, workflowId),
})

export const status = query({
  args: { workflowId: vWorkflowId },
  handler: async (ctx, { workflowId }) => await workflow.status(ctx, workflowId),
})

export const steps = query({
  args: { workflowId: vWorkflowId },
  handler: async (ctx, { workflowId }) => (await workflow.listSteps(ctx, workflowId)).page.map(({ name }) => name),
})
