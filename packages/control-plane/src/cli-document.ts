/** The command line's API as an OpenAPI document, made from its routes: what they read is what they check. */
import { z } from 'zod'
import type { CliRoute } from './cli-route.ts'

export function describeCliRoutes(routes: readonly CliRoute[]): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: describeRoute(route) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Concave Command Line API',
      version: '1.0.0',
      description:
        'What the official command line asks beside the Management API. Unknown fields are ignored. Every error is ' +
        '`{"code": string, "message": string}`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/api', description: 'This server' }],
    paths,
    components: {
      securitySchemes: {
        'Any Credential': { type: 'http', scheme: 'bearer', description: 'Any token or key of this server.' },
      },
    },
  }
}

function describeRoute({ method, path, body, credential }: CliRoute): object {
  const parameters = [...path.matchAll(/\{(?<name>\w+)\}/g)].map(({ groups }) => ({
    name: groups?.['name'],
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
  const { $schema: _dialect, ...schema } = body === undefined ? {} : z.toJSONSchema(body, { io: 'input' })
  return {
    operationId: `${method} ${path}`,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: { 'application/json': { schema } } } }),
    responses: { 200: { description: 'Done.', content: { 'application/json': { schema: {} } } } },
    security: credential === 'header' ? [{ 'Any Credential': [] }] : [],
  }
}
