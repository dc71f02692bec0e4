/** A server that talks like a model provider: chat completions, whole and in pieces, and embeddings. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type StubModel = AsyncDisposable & {
  readonly url: string
  /** Conversations it was asked to complete, in order. */
  readonly conversations: readonly (readonly ChatMessage[])[]
  /** Pieces of streamed answers after the first wait for this. */
  goOn(): void
}

export type ChatMessage = { readonly role: string; readonly content?: unknown; readonly tool_calls?: unknown }
type Body = { readonly messages?: ChatMessage[]; readonly stream?: boolean; readonly input?: string | string[] }

/** Every topic has a direction of its own. */
const topics = ['weather', 'invoice', 'holiday']
const dimensions = 128

export async function startStubModel(): Promise<StubModel> {
  const conversations: ChatMessage[][] = []
  const { promise: released, resolve: goOn } = Promise.withResolvers<void>()

  async function stream(response: ServerResponse, words: readonly string[]): Promise<void> {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const send = (delta: object, finishReason: string | null): void => {
      const choices = [{ index: 0, delta, finish_reason: finishReason }]
      response.write(`data: ${JSON.stringify({ id: 'chat', created: 0, model: 'stub-chat', choices })}\n\n`)
    }
    for (const [index, word] of words.entries()) {
      if (index === 1) await released
      send({ role: 'assistant', content: word }, null)
    }
    send({}, 'stop')
    response.end('data: [DONE]\n\n')
  }

  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(pieces).toString()) as Body
      const answer = (value: object): void => {
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
      }
      if (request.url === '/v1/embeddings') {
        const inputs = [body.input ?? []].flat()
        const data = inputs.map((text, index) => ({ index, embedding: embed(text) }))
        return answer({ object: 'list', model: 'stub-embedding', data, usage: { prompt_tokens: 1, total_tokens: 1 } })
      }
      conversations.push(body.messages ?? [])
      const message = reply(body.messages ?? [])
      if (body.stream === true) return void stream(response, String(message.content).split(/(?<= )/))
      const finishReason = message.tool_calls === undefined ? 'stop' : 'tool_calls'
      return answer({
        id: 'chat',
        object: 'chat.completion',
        created: 0,
        model: 'stub-chat',
        choices: [{ index: 0, message, finish_reason: finishReason }],
        usage: { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 },
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    conversations,
    goOn,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Asks for the tool when asked about the weather, then says what the tool said; repeats anything else. */
function reply(messages: readonly ChatMessage[]): ChatMessage {
  const last = messages.at(-1)
  if (last?.role === 'tool') return { role: 'assistant', content: `The tool says: ${textOf(last.content)}` }
  const text = textOf(last?.content)
  if (!text.includes('weather')) return { role: 'assistant', content: `You said: ${text}` }
  const call = { id: 'call-1', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } }
  return { role: 'assistant', content: null, tool_calls: [call] }
}

function textOf(content: unknown): string {
  if (Array.isArray(content)) return content.map((part: { text?: string }) => part.text ?? '').join('')
  return String(content)
}

function embed(text: string): number[] {
  const vector = Array.from({ length: dimensions }, () => 0.01)
  for (const [index, topic] of topics.entries()) if (text.includes(topic)) vector[index] = 1
  return vector
}
