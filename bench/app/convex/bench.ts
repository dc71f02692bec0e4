// The workloads of the benchmark, as an app would write them.
import { mutationGeneric as mutation, queryGeneric as query, type GenericQueryCtx } from 'convex/server'
import { v } from 'convex/values'

// oxlint-disable-next-line typescript/no-explicit-any -- written without generated code
type Ctx = GenericQueryCtx<any>

const findAccount = (ctx: Ctx, id: number) =>
  ctx.db
    .query('accounts')
    .withIndex('by_account_id', (q) => q.eq('id', id))
    .first()

const findCounter = (ctx: Ctx, key: number) =>
  ctx.db
    .query('counters')
    .withIndex('by_key', (q) => q.eq('key', key))
    .unique()

export const seed = mutation({
  args: { table: v.union(v.literal('accounts'), v.literal('counters')), from: v.number(), to: v.number() },
  handler: async (ctx, { table, from, to }) => {
    for (let id = from; id < to; id += 1) {
      if (table === 'accounts') await ctx.db.insert('accounts', { id, balance: 1_000_000_000 })
      else await ctx.db.insert('counters', { key: id, n: 0 })
    }
  },
})

/** Moves `amount` unless the source is short. True if it did. */
export const transfer = mutation({
  args: { from: v.number(), to: v.number(), amount: v.number() },
  handler: async (ctx, { from, to, amount }) => {
    const source = await findAccount(ctx, from)
    const destination = await findAccount(ctx, to)
    if (source === null || destination === null || source.balance < amount || from === to) return false
    await ctx.db.patch(source._id, { balance: source.balance - amount })
    await ctx.db.patch(destination._id, { balance: destination.balance + amount })
    return true
  },
})

export const increment = mutation({
  args: { key: v.number() },
  handler: async (ctx, { key }) => {
    const counter = await findCounter(ctx, key)
    if (counter === null) throw new Error(`There is no counter ${key}.`)
    await ctx.db.patch(counter._id, { n: counter.n + 1 })
    return counter.n + 1
  },
})

export const read = query({
  args: { key: v.number() },
  handler: async (ctx, { key }) => (await findCounter(ctx, key))?.n ?? null,
})

/** Sum of the balances of a range of accounts. */
export const total = query({
  args: { from: v.number(), to: v.number() },
  handler: async (ctx, { from, to }) => {
    const accounts = await ctx.db
      .query('accounts')
      .withIndex('by_account_id', (q) => q.gte('id', from).lt('id', to))
      .collect()
    return accounts.reduce((sum, account) => sum + account.balance, 0)
  },
})
