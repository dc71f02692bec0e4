import { createLog, Unauthenticated } from '@concave/base'
import { afterEach, describe, expect, it } from 'vitest'
import { bindContract, createSchemaCheck, type ContractDocument, type OperationHandler } from './contract.ts'
import { jsonReply, emptyReply } from './reply.ts'
import { Router } from './router.ts'
import { serveRoutes, type RouteHandler } from './routes.ts'
import { startServer, type RunningServer } from './server.ts'

const content = (schema: object) => ({ 'application/json': { schema } })
const document: ContractDocument = {
  openapi: '3.1.0',
  servers: [{ url: '/v1' }],
  paths: {
    '/things/{thing_id}/rename': {
      post: {
        operationId: 'rename thing',
        parameters: [
          { name: 'thing_id', in: 'path', required: true, schema: { $ref: '#/components/schemas/ThingId' } },
          { name: 'dry', in: 'query', schema: { type: 'boolean' } },
          { name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 10 } },
        ],
        requestBody: { required: true, content: content({ $ref: '#/components/schemas/Rename' }) },
        responses: { 200: { content: content({ $ref: '#/components/schemas/Thing' }) } },
        security: [{ reader: [] }, { writer: [] }],
      },
    },
    '/things/{thing_id}/delete': {
      post: {
        operationId: 'delete thing',
        parameters: [{ name: 'thing_id', in: 'path', required: true, schema: { type: 'string' } }],
        responses: { 200: {} },
      },
    },
  },
  components: {
    schemas: {
      ThingId: { type: 'integer', format: 'int64', minimum: 0 },
      Rename: {
        type: 'object',
        required: ['name'],
        properties: { name: { type: 'string' } },
        additionalProperties: false,
      },
      Thing: {
        type: 'object',
        required: ['id', 'name'],
        properties: { id: { type: 'integer' }, name: { type: 'string' } },
      },
    },
  },
}

let server: RunningServer | undefined
afterEach(async () => {
  await server?.close()
})

async function serve(overrides: Record<string, OperationHandler<string>> = {}): Promise<string> {
  const router = new Router<RouteHandler>()
  bindContract<string>({
    document,
    router,
    handlers: {
      'rename thing': async ({ path, query, body, principal }) =>
        jsonReply({ id: path['thing_id'], name: JSON.stringify({ query, body, principal }) }),
      'delete thing': async () => emptyReply(),
      ...overrides,
    },
    authenticate: async (request, schemes) => {
      if (request.headers.authorization === undefined) throw new Unauthenticated('NoToken', 'Who are you?')
      return schemes.join('+')
    },
    validateResponses: true,
  })
  const handler = serveRoutes({ router, log: createLog({ level: 'silent' }) })
  server = await startServer({ port: 0, host: '127.0.0.1', handler })
  return server.url
}

async function post(url: string, body?: unknown, headers: Record<string, string> = { Authorization: 'x' }) {
  const init = body === undefined ? {} : { body: JSON.stringify(body) }
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    ...init,
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

describe('a bound contract', () => {
  it('hands over coerced parameters, the body and the caller', async () => {
    const url = await serve()
    const answer = await post(`${url}/v1/things/7/rename?dry=true&limit=3&unknown=1`, { name: 'x' })
    expect(answer.body.id).toBe(7)
    expect(JSON.parse(answer.body.name)).toEqual({
      query: { dry: true, limit: 3 },
      body: { name: 'x' },
      principal: 'reader+writer',
    })
    expect(await post(`${url}/v1/things/7/delete`)).toEqual({ status: 200, body: undefined })
  })

  it.each([
    ['/v1/things/seven/rename', { name: 'x' }, 'BadPathArgs', 'Path argument `thing_id` must be integer.'],
    ['/v1/things/7/rename?limit=11', { name: 'x' }, 'BadQueryArgs', 'Query argument `limit` must be <= 10.'],
    ['/v1/things/7/rename', {}, 'BadJsonBody', "Request body must have required property 'name'."],
    ['/v1/things/7/rename', { name: 1 }, 'BadJsonBody', 'Request body `name` must be string.'],
    [
      '/v1/things/7/rename',
      { name: 'x', color: 1 },
      'BadJsonBody',
      'Request body must NOT have additional properties: `color`.',
    ],
  ])('refuses %s %j as %s', async (path, body, code, message) => {
    const url = await serve()
    expect(await post(url + path, body)).toEqual({ status: 400, body: { code, message } })
  })

  it('asks who calls before it looks at the input', async () => {
    const url = await serve()
    expect(await post(`${url}/v1/things/seven/rename`, {}, {})).toMatchObject({
      status: 401,
      body: { code: 'NoToken' },
    })
  })

  it.each<[string, OperationHandler<string>]>([
    ['a missing property', async () => jsonReply({ id: 1 })],
    ['no content', async () => emptyReply()],
    ['an undescribed status', async () => jsonReply({ id: 1, name: 'x' }, { status: 201 })],
  ])('does not let an answer with %s pass', async (_what, handler) => {
    const url = await serve({ 'rename thing': handler })
    expect((await post(`${url}/v1/things/7/rename`, { name: 'x' })).status).toBe(500)
  })

  it('needs a handler for each operation and no other', async () => {
    await expect(serve({ 'make thing': async () => emptyReply() })).rejects.toThrow('Handlers without an operation')
    const router = new Router<RouteHandler>()
    const authenticate = async (): Promise<string> => ''
    expect(() => bindContract({ document, router, handlers: {}, authenticate, validateResponses: false })).toThrow(
      'No handler for operation "rename thing"',
    )
  })
})

it('checks values against the schemas of a document', () => {
  const check = createSchemaCheck(document)
  const things = { type: 'array', items: { $ref: '#/components/schemas/Thing' } }
  expect(check(things, [{ id: 1, name: 'x' }])).toBeUndefined()
  expect(check(things, [{ id: 1 }])).toBe("Value `0` must have required property 'name'.")
})
