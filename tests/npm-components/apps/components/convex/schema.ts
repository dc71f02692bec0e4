import { defineSchema, defineTable } from 'convex/server'
import { v } from 'convex/values'

export default defineSchema({
  /** What background functions were seen to do, in the order of `_creationTime`. */
  events: defineTable({ subject: v.string(), what: v.any() }).index('by_subject', ['subject']),
  scores: defineTable({ player: v.string(), score: v.number() }),
  photos: defineTable({ album: v.string(), name: v.string() }),
  users: defineTable({ name: v.string(), greeting: v.optional(v.string()) }),
  chats: defineTable({ prompt: v.string(), stream: v.string() }),
})
