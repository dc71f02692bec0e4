import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { Agent, createTool, listUIMessages, syncStreams, vStreamArgs } from '@convex-dev/agent'
import { isStepCount } from 'ai'
import { paginationOptsValidator } from 'convex/server'
import { v } from 'convex/values'
import { z } from 'zod'
import { components } from './_generated/api'
import { action, mutation, query } from './_generated/server'

const provider = createOpenAICompatible({ name: 'stub', baseURL: process.env.MODEL_URL!, apiKey: 'none' })

const weather = createTool({
  description: 'The weather in a city',
  inputSchema: z.object({ city: z.string() }),
  execute: async (_ctx, { city }): Promise<string> => `rain in ${city}`,
})

const agent = new Agent(components.agent, {
  name: 'support',
  languageModel: provider.chatModel('stub-chat'),
  embeddingModel: provider.textEmbeddingModel('stub-embedding'),
  instructions: 'You are brief.',
  tools: { weather },
  stopWhen: isStepCount(3),
})

export const createThread = mutation({
  args: { userId: v.string() },
  handler: async (ctx, { userId }) => (await agent.createThread(ctx, { userId, title: 'Support' })).threadId,
})

export const ask = action({
  args: { threadId: v.string(), userId: v.string(), prompt: v.string() },
  handler: async (ctx, { threadId, userId, prompt }): Promise<string> =>
    (await agent.generateText(ctx, { threadId, userId }, { prompt })).text,
})

export const stream = action({
  args: { threadId: v.string(), prompt: v.string() },
  handler: async (ctx, { threadId, prompt }): Promise<string> => {
    const result = await agent.streamText(
      ctx,
      { threadId },
      { prompt },
      { saveStreamDeltas: { chunking: 'word', throttleMs: 10 } },
    )
    await result.consumeStream()
    return await result.text
  },
})

export const messages = query({
  args: { threadId: v.string(), paginationOpts: paginationOptsValidator, streamArgs: v.optional(vStreamArgs) },
  handler: async (ctx, { streamArgs, ...args }) => {
    const listed = await listUIMessages(ctx, components.agent, args)
    const streams = await syncStreams(ctx, components.agent, { threadId: args.threadId, streamArgs })
    return { ...listed, streams }
  },
})

/** Texts of earlier messages of the user, in any thread, that are near to `text`. */
export const search = action({
  args: { userId: v.string(), text: v.string(), kind: v.union(v.literal('vector'), v.literal('text')) },
  handler: async (ctx, { userId, text, kind }): Promise<string[]> => {
    const found = await agent.fetchContextMessages(ctx, {
      userId,
      threadId: undefined,
      searchText: text,
      contextOptions: {
        recentMessages: 0,
        searchOtherThreads: true,
        searchOptions: {
          limit: 1,
          vectorSearch: kind === 'vector',
          textSearch: kind === 'text',
          messageRange: { before: 0, after: 0 },
        },
      },
    })
    return found.map((message) => message.text ?? '')
  },
})
