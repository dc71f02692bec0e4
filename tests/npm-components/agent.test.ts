// Threads, tools, streams and searches of the agent component, with a model that is a server of this test.
import { startTestServer, type TestServer } from '@concave/testing'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { type ComponentApp, pushComponentApp } from './component-app.ts'
import { startStubModel, type StubModel } from './stub-model.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

let model: StubModel
let server: TestServer
let app: ComponentApp
beforeAll(async () => {
  model = await startStubModel()
  server = await startTestServer({ privateFetch: 'allow' })
  app = await pushComponentApp(server, 'agent', { MODEL_URL: model.url })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

type Message = { readonly role: string; readonly text: string; readonly status: string }
type Listed = { readonly page: readonly Message[]; readonly streams?: { readonly messages?: readonly unknown[] } }
type Deltas = { readonly streams?: { readonly deltas?: readonly { readonly parts: readonly unknown[] }[] } }

const userId = 'ann'
const firstPage = { numItems: 20, cursor: null }
const createThread = async (): Promise<string> => await app.mutation<string>('support:createThread', { userId })
const messages = async (threadId: string): Promise<readonly Message[]> =>
  (await app.query<Listed>('support:messages', { threadId, paginationOpts: firstPage })).page

it('keeps the messages of a thread and sends them along', async () => {
  const threadId = await createThread()
  const first = await app.action('support:ask', { threadId, userId, prompt: 'My invoice is wrong.' })
  expect(first).toBe('You said: My invoice is wrong.')
  await app.action('support:ask', { threadId, userId, prompt: 'Please mend it.' })
  expect(model.conversations.at(-1)?.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user'])
  expect((await messages(threadId)).map(({ role, text, status }) => [role, text, status])).toEqual([
    ['user', 'My invoice is wrong.', 'success'],
    ['assistant', 'You said: My invoice is wrong.', 'success'],
    ['user', 'Please mend it.', 'success'],
    ['assistant', 'You said: Please mend it.', 'success'],
  ])
})

it('calls a tool that the model asks for', async () => {
  const threadId = await createThread()
  const text = await app.action('support:ask', { threadId, userId, prompt: 'How is the weather?' })
  expect(text).toContain('rain in Oslo')
  const assistant = (await messages(threadId)).find(({ role }) => role === 'assistant')
  expect(assistant).toMatchObject({
    parts: expect.arrayContaining([
      expect.objectContaining({ type: 'tool-weather', state: 'output-available', input: { city: 'Oslo' } }),
    ]),
  })
})

it('streams what the model says while it says it', async () => {
  const threadId = await createThread()
  const done = app.action<string>('support:stream', { threadId, prompt: 'one two three' })
  const listed = await app.queryUntil<{ streams?: { messages?: { streamId: string }[] } }>(
    'support:messages',
    { threadId, paginationOpts: firstPage, streamArgs: { kind: 'list' } },
    ({ streams }) => (streams?.messages ?? []).length > 0,
  )
  const streamId = listed.streams!.messages![0]!.streamId
  await app.queryUntil<Deltas>(
    'support:messages',
    { threadId, paginationOpts: firstPage, streamArgs: { kind: 'deltas', cursors: [{ streamId, cursor: 0 }] } },
    ({ streams }) => JSON.stringify(streams?.deltas ?? []).includes('You '),
  )
  // The model waits for this, so what came before did not wait for the end.
  model.goOn()
  expect(await done).toBe('You said: one two three')
  expect((await messages(threadId)).at(-1)).toMatchObject({ text: 'You said: one two three', status: 'success' })
})

it('finds earlier messages of a user by meaning and by words', async () => {
  const threadId = await createThread()
  await app.action('support:ask', { threadId, userId, prompt: 'I take a holiday in May.' })
  const byMeaning = await app.action<string[]>('support:search', { userId, text: 'holiday', kind: 'vector' })
  expect(byMeaning.join()).toContain('holiday')
  const byWords = await app.action<string[]>('support:search', { userId, text: 'May', kind: 'text' })
  expect(byWords.join()).toContain('May')
  expect(await app.action('support:search', { userId: 'bob', text: 'holiday', kind: 'vector' })).toEqual([])
})
