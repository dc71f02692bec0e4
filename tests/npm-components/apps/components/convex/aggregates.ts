import { DirectAggregate, TableAggregate } from '@convex-dev/aggregate'
import { v } from 'convex/values'
import { components } from './_generated/api'
import type { DataModel } from './_generated/dataModel'
import { action, mutation, query } from './_generated/server'

const leaderboard = new TableAggregate<{ Key: number; DataModel: DataModel; TableName: 'scores' }>(
  components.leaderboard,
  { sortKey: (document) => document.score, sumValue: (document) => document.score },
)

/** One tree for each album. */
const photos = new DirectAggregate<{ Namespace: string; Key: number; Id: string }>(components.photos)

export const addScores = mutation({
  args: { scores: v.array(v.object({ player: v.string(), score: v.number() })) },
  handler: async (ctx, { scores }) => {
    for (const score of scores) {
      const id = await ctx.db.insert('scores', score)
      await leaderboard.insert(ctx, (await ctx.db.get(id))!)
    }
  },
})

export const removePlayer = mutation({
  args: { player: v.string() },
  handler: async (ctx, { player }) => {
    for (const document of await ctx.db.query('scores').collect()) {
      if (document.player !== player) continue
      await ctx.db.delete(document._id)
      await leaderboard.delete(ctx, document)
    }
  },
})

export const raise = mutation({
  args: { player: v.string(), by: v.number() },
  handler: async (ctx, { player, by }) => {
    for (const document of await ctx.db.query('scores').collect()) {
      if (document.player !== player) continue
      await ctx.db.patch(document._id, { score: document.score + by })
      await leaderboard.replace(ctx, document, (await ctx.db.get(document._id))!)
    }
  },
})

export const statistics = query({
  args: { above: v.optional(v.number()) },
  handler: async (ctx, { above }) => {
    const bounds = above === undefined ? {} : { lower: { key: above, inclusive: false } }
    return {
      count: await leaderboard.count(ctx, { bounds }),
      sum: await leaderboard.sum(ctx, { bounds }),
      min: (await leaderboard.min(ctx, { bounds }))?.key ?? null,
      max: (await leaderboard.max(ctx, { bounds }))?.key ?? null,
    }
  },
})

export const at = query({
  args: { offset: v.number() },
  handler: async (ctx, { offset }) => (await leaderboard.at(ctx, offset)).key,
})

export const rank = query({
  args: { score: v.number() },
  handler: async (ctx, { score }) => await leaderboard.indexOf(ctx, score, { order: 'desc' }),
})

/** All keys, in pages of `pageSize`. */
export const pages = query({
  args: { pageSize: v.number(), order: v.union(v.literal('asc'), v.literal('desc')) },
  handler: async (ctx, { pageSize, order }) => {
    const found: number[][] = []
    let cursor: string | undefined
    for (;;) {
      const page = await leaderboard.paginate(ctx, { pageSize, order, ...(cursor === undefined ? {} : { cursor }) })
      found.push(page.page.map(({ key }) => key))
      if (page.isDone) return found
      cursor = page.cursor
    }
  },
})

export const clear = action({
  args: {},
  handler: async (ctx) => {
    await leaderboard.clear(ctx)
  },
})

export const addPhotos = mutation({
  args: { album: v.string(), names: v.array(v.string()), isQueued: v.optional(v.boolean()) },
  handler: async (ctx, { album, names, isQueued = false }) => {
    for (const [index, name] of names.entries())
      await photos.insert(ctx, { namespace: album, key: index, id: name, sumValue: 1 }, { async: isQueued })
  },
})

export const photoAt = query({
  args: { album: v.string(), offset: v.number() },
  handler: async (ctx, { album, offset }) => (await photos.at(ctx, offset, { namespace: album })).id,
})

export const photoCounts = query({
  args: { albums: v.array(v.string()), isStale: v.optional(v.boolean()) },
  handler: async (ctx, { albums, isStale = false }) =>
    await photos.countBatch(
      ctx,
      albums.map((namespace) => ({ namespace })),
      { stale: isStale },
    ),
})

export const albums = query({
  args: {},
  handler: async (ctx) => {
    const found: string[] = []
    for await (const namespace of photos.iterNamespaces(ctx, 1)) found.push(namespace)
    return found
  },
})
