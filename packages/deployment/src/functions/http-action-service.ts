/** Runs HTTP actions: finds the route, reads the caller's identity, keeps the log (sync-and-http.md §3). */
import { randomBytes } from 'node:crypto'
import { PlatformError } from '@concave/base'
import { anonymous, type Identity, type RequestClient } from '@concave/protocol'
import type { ActionOutcome, HttpActionRequest, HttpExchange, LogLine } from '@concave/runtime'
import { hasHttpActions, type RoutedRequest, routeRequest } from '../components/http-routing.ts'
import type { Access } from '../access.ts'
import { identityTypeOf } from '../logs/function-log.ts'
import { DeploymentActionHost } from './action-host.ts'
import type { ActionServiceDependencies } from './action-service.ts'
import { systemFailureText } from './function-error.ts'
import { httpModulePath } from './http-routes.ts'

export type HttpCall = {
  readonly request: HttpActionRequest
  /** What routes are compared with: without the query, as the client wrote it. */
  readonly path: string
  readonly authorization: string | undefined
  readonly client: RequestClient
  readonly exchange: HttpExchange
  /** Status that went out; undefined before. */
  readonly status: () => number | undefined
}

export type HttpCallEnd =
  | { readonly kind: 'served' }
  /** This text is the answer. */
  | { readonly kind: 'notFound'; readonly text: string }
  /** `body`: JSON for the client, if nothing has gone out yet. */
  | { readonly kind: 'failed'; readonly body: object }

export type HttpActionServiceDependencies = Omit<ActionServiceDependencies, 'nodeExecutor'> & {
  /** Callers learn no error texts. */
  readonly isRedacted: boolean
  readonly access: Access
}

export class HttpActionService {
  readonly #deps: HttpActionServiceDependencies

  constructor(deps: HttpActionServiceDependencies) {
    this.#deps = deps
  }

  /** Rejects for failures of the system only. */
  async serve(call: HttpCall): Promise<HttpCallEnd> {
    const { database, registry } = this.#deps
    const tx = database.begin('query')
    const app = await registry.load(tx)
    if (!hasHttpActions(app)) {
      return { kind: 'notFound', text: 'This Convex deployment does not have HTTP actions enabled.' }
    }
    const routed = routeRequest(app.root, call.request.method, call.path)
    if (routed === undefined) return { kind: 'notFound', text: 'No matching routes found' }
    const { component } = routed
    const env = component.environment(await registry.environment(tx))
    return await this.#run(call, routed, (host) =>
      this.#deps.actionExecutor.run(
        {
          kind: 'http',
          code: component.code.bundle,
          env,
          modulePath: httpModulePath,
          path: routed.path,
          request: call.request,
          exchange: call.exchange,
          seed: randomBytes(32).toString('hex'),
        },
        host,
      ),
    )
  }

  async #run(
    call: HttpCall,
    { component, route }: RoutedRequest,
    execute: (host: DeploymentActionHost) => Promise<ActionOutcome>,
  ): Promise<HttpCallEnd> {
    const { clock, database, deploymentName, files, functionLog, functions, registry } = this.#deps
    const requestId = randomBytes(8).toString('hex')
    const identifier = `${route.method} ${route.path}`
    const startedAtMs = clock.nowMs()
    const { identity, identityError } = await this.#identify(component.isApp ? call.authorization : undefined)
    const host = new DeploymentActionHost({
      functionName: identifier,
      component,
      identity,
      ...(identityError === undefined ? {} : { identityError }),
      requestId,
      client: call.client,
      deploymentName,
      files,
      functions,
      scheduling: { database, registry, clock, origin: undefined },
      onLog: (logLines: readonly LogLine[]) =>
        functionLog.recordProgress({
          udfType: 'HttpAction',
          componentPath: component.path,
          identifier,
          logLines,
          startedAtMs,
          requestId,
        }),
    })
    const record = (error: string | undefined): void =>
      functionLog.record({
        udfType: 'HttpAction',
        componentPath: component.path,
        identifier,
        logLines: [],
        startedAtMs,
        durationMs: clock.nowMs() - startedAtMs,
        cachedResult: false,
        error,
        caller: 'HttpEndpoint',
        requestId,
        identityType: identityTypeOf(identity),
        usage: { readDocuments: 0, readBytes: 0, writeDocuments: 0, writeBytes: 0 },
        returnBytes: undefined,
        willRetry: false,
        httpStatus: call.status() ?? 500,
      })
    let outcome: ActionOutcome
    try {
      outcome = await execute(host)
    } catch (error) {
      record(systemFailureText(error))
      throw error
    }
    // A client that has gone away leaves a body that nobody takes: not the developer's failure.
    const error = outcome.kind === 'userError' && !call.exchange.signal.aborted ? outcome : undefined
    record(error?.message)
    if (error === undefined) return { kind: 'served' }
    return { kind: 'failed', body: this.#describe(requestId, error.message, error.data) }
  }

  /** A token that is refused fails only who asks for the identity. Other schemes are the developer's own. Components are not told. */
  async #identify(
    authorization: string | undefined,
  ): Promise<{ readonly identity: Identity; readonly identityError: string | undefined }> {
    if (authorization === undefined || !/^bearer\s/i.test(authorization)) {
      return { identity: anonymous, identityError: undefined }
    }
    try {
      return { identity: await this.#deps.access.identify(authorization), identityError: undefined }
    } catch (error) {
      if (!(error instanceof PlatformError) || error.status >= 500) throw error
      return { identity: anonymous, identityError: error.message }
    }
  }

  #describe(requestId: string, text: string, dataText: string | undefined): object {
    const head = `[Request ID: ${requestId}] Server Error`
    if (this.#deps.isRedacted) return { code: head }
    const [message = ''] = text.split('\n')
    const data = dataText === undefined ? {} : { data: JSON.parse(dataText) as unknown }
    return { code: `${head}: ${message}`, trace: text, ...data }
  }
}
