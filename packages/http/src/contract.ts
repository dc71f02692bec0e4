/**
 * Binds an OpenAPI 3.1 document to handlers: every operation of the document needs a handler and the other way round.
 * Path, query and body are validated before the handler runs (400 `BadPathArgs`, `BadQueryArgs`, `BadJsonBody`), so a
 * handler may trust the input type it declares. In tests the answers are validated as well.
 */
import { readFileSync } from 'node:fs'
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import ajvFormats from 'ajv-formats'
import { assert, AssertionError, BadRequest } from '@concave/base'
import type { HttpReply } from './reply.ts'
import type { Router } from './router.ts'
import type { HttpRequest, RouteHandler } from './routes.ts'

/** The parts of an OpenAPI document that the binding reads. */
export type ContractDocument = {
  readonly openapi: string
  readonly servers?: readonly { readonly url: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, ContractOperation>>>>
  readonly components?: { readonly schemas?: Readonly<Record<string, unknown>> }
}

export type ContractOperation = {
  readonly operationId: string
  readonly parameters?: readonly ContractParameter[]
  readonly requestBody?: { readonly required?: boolean; readonly content: JsonContent }
  readonly responses: Readonly<Record<string, { readonly content?: JsonContent }>>
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[]
}

export type ContractParameter = {
  readonly name: string
  readonly in: 'path' | 'query'
  readonly required?: boolean
  readonly schema: object
}

type JsonContent = { readonly 'application/json': { readonly schema: object } }

/** What a handler receives: the input that the contract describes, and who calls. */
export type OperationCall<Principal> = {
  readonly path: Readonly<Record<string, unknown>>
  readonly query: Readonly<Record<string, unknown>>
  readonly body: unknown
  readonly principal: Principal
  readonly request: HttpRequest
}

export type OperationHandler<Principal> = (call: OperationCall<Principal>) => Promise<HttpReply>

export type ContractBinding<Principal> = {
  readonly document: ContractDocument
  readonly router: Router<RouteHandler>
  /** By operationId; must be exactly the operations of the document. */
  readonly handlers: Readonly<Record<string, OperationHandler<Principal>>>
  /** Names of the security schemes of which the caller needs one. Throws 401 or 403. Runs before validation. */
  readonly authenticate: (request: HttpRequest, schemes: readonly string[]) => Promise<Principal>
  /** Turns an answer that the contract does not describe into a failed assertion. For tests. */
  readonly validateResponses: boolean
}

/** Reads a contract from disk. It is our own file: broken JSON is our bug and throws. */
export function loadContract(file: URL): ContractDocument {
  const document: ContractDocument = JSON.parse(readFileSync(file, 'utf8'))
  assert(document.openapi.startsWith('3.1'), `${file.pathname} is not an OpenAPI 3.1 document.`)
  return document
}

/**
 * Says what is wrong with a value that should be of `schema`, whose references are to `document`; undefined if nothing.
 * For tests that hold messages against a document which nothing is bound to.
 */
export function createSchemaCheck(
  document: Pick<ContractDocument, 'components'>,
): (schema: object, value: unknown) => string | undefined {
  const schemas = new ContractSchemas(document)
  return (schema, value) => {
    const check = schemas.compile(schema)
    return check(value) ? undefined : describe('Value', check.errors)
  }
}

/** Adds a route for every operation of the document, below the path of its first server. */
export function bindContract<Principal>(binding: ContractBinding<Principal>): void {
  const { document, handlers } = binding
  const schemas = new ContractSchemas(document)
  const prefix = document.servers?.[0]?.url ?? ''
  const bound = new Set<string>()
  for (const [template, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const id = operation.operationId
      const handler = handlers[id]
      assert(handler !== undefined, `No handler for operation "${id}".`)
      assert(!bound.has(id), `Operation "${id}" occurs twice.`)
      bound.add(id)
      const pointer = `/paths/${escapePointer(template)}/${method}`
      const route = createRoute(binding, { operation, handler, schemas, pointer })
      binding.router.add(method.toUpperCase(), prefix + template, route)
    }
  }
  const extra = Object.keys(handlers).filter((id) => !bound.has(id))
  assert(extra.length === 0, `Handlers without an operation: ${extra.join(', ')}.`)
}

function createRoute<Principal>(
  binding: ContractBinding<Principal>,
  parts: {
    readonly operation: ContractOperation
    readonly handler: OperationHandler<Principal>
    readonly schemas: ContractSchemas
    readonly pointer: string
  },
): RouteHandler {
  const { operation, handler, schemas, pointer } = parts
  const parameters = operation.parameters ?? []
  const pathCheck = schemas.compileParameters(parameters.filter((parameter) => parameter.in === 'path'))
  const queryParameters = parameters.filter((parameter) => parameter.in === 'query')
  const queryCheck = schemas.compileParameters(queryParameters)
  const body = operation.requestBody
  const bodyCheck = body && schemas.compileAt(`${pointer}/requestBody/content/application~1json/schema`)
  const schemes = (operation.security ?? []).flatMap((requirement) => Object.keys(requirement))
  const responseChecks = binding.validateResponses ? compileResponses(operation, schemas, pointer) : undefined

  return async (request) => {
    const principal = await binding.authenticate(request, schemes)
    const path: Record<string, unknown> = { ...request.params }
    if (!pathCheck(path)) throw new BadRequest('BadPathArgs', describe('Path argument', pathCheck.errors))
    const query: Record<string, unknown> = {}
    for (const { name } of queryParameters) {
      const value = request.query.get(name)
      if (value !== null) query[name] = value
    }
    if (!queryCheck(query)) throw new BadRequest('BadQueryArgs', describe('Query argument', queryCheck.errors))
    let received: unknown
    if (bodyCheck !== undefined) {
      received = await request.json({ allowEmpty: body?.required !== true })
      if (received !== undefined && !bodyCheck(received)) {
        throw new BadRequest('BadJsonBody', describe('Request body', bodyCheck.errors))
      }
    }
    const reply = await handler({ path, query, body: received, principal, request })
    if (responseChecks !== undefined) checkReply(operation.operationId, reply, responseChecks)
    return reply
  }
}

/** The document's schemas, compiled. Parameters arrive as text and are coerced; bodies are taken as they are. */
class ContractSchemas {
  readonly #bodies: Ajv2020
  readonly #parameters: Ajv2020

  constructor(document: object) {
    const options = { strict: false, validateSchema: false, allErrors: false } as const
    this.#bodies = new Ajv2020(options)
    this.#parameters = new Ajv2020({ ...options, coerceTypes: true })
    for (const ajv of [this.#bodies, this.#parameters]) {
      ajvFormats.default(ajv)
      ajv.addSchema({ ...document, $id: documentId })
    }
  }

  compile(schema: object): ValidateFunction {
    return this.#bodies.compile(absolute(schema))
  }

  /** The schema at a place of the document. */
  compileAt(pointer: string): ValidateFunction {
    return this.#bodies.compile({ $ref: `${documentId}#${encodeURI(pointer)}` })
  }

  compileParameters(parameters: readonly ContractParameter[]): ValidateFunction {
    const properties = Object.fromEntries(parameters.map(({ name, schema }) => [name, absolute(schema)]))
    const required = parameters.filter((parameter) => parameter.required === true).map(({ name }) => name)
    return this.#parameters.compile({ type: 'object', properties, required })
  }
}

const documentId = 'https://concave.invalid/contract'

/** A parameter's schema is compiled on its own, so its references must name the document. */
function absolute(schema: object): object {
  return JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#', `"$ref":"${documentId}#`))
}

type ResponseCheck = { readonly status: number; readonly check: ValidateFunction | undefined }

function compileResponses(operation: ContractOperation, schemas: ContractSchemas, pointer: string): ResponseCheck[] {
  return Object.entries(operation.responses).map(([status, response]) => ({
    status: Number(status),
    check: response.content && schemas.compileAt(`${pointer}/responses/${status}/content/application~1json/schema`),
  }))
}

function checkReply(operationId: string, reply: HttpReply, checks: readonly ResponseCheck[]): void {
  const described = checks.find(({ status }) => status === reply.status)
  if (described === undefined)
    throw new AssertionError(`"${operationId}" answered ${reply.status}, not in the contract.`)
  if (described.check === undefined) {
    assert(reply.body.kind === 'empty', `"${operationId}" must answer without content.`)
    return
  }
  assert(reply.body.kind === 'json', `"${operationId}" must answer JSON.`)
  // What counts is what is sent: `undefined` properties are not.
  if (!described.check(JSON.parse(JSON.stringify(reply.body.value)))) {
    throw new AssertionError(`"${operationId}": ${describe('answer', described.check.errors)}`)
  }
}

function describe(what: string, errors: readonly ErrorObject[] | null | undefined): string {
  const error = errors?.[0]
  if (error === undefined) return `${what} is not valid.`
  const place = error.instancePath === '' ? '' : ` \`${error.instancePath.slice(1).replaceAll('/', '.')}\``
  const detail = error.keyword === 'additionalProperties' ? `: \`${String(error.params['additionalProperty'])}\`` : ''
  return `${what}${place} ${error.message ?? 'is not valid'}${detail}.`
}

function escapePointer(segment: string): string {
  return segment.replaceAll('~', '~0').replaceAll('/', '~1')
}
