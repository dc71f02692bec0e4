/**
 * Answers the syscalls of one action (function-runtime.md §2). An action has no transaction: every function it calls is
 * an execution of its own.
 */
import {
  anonymous,
  authTokenOf,
  type Identity,
  noClient,
  type RequestClient,
  type UserAttributes,
  userAttributesOf,
} from '@concave/protocol'
import { type ActionAnswer, type ActionHost, CatchableError, type LogLine } from '@concave/runtime'
import type { CallOutcome, FunctionCall } from '@concave/sync'
import type { FunctionAddress, LoadedApp, LoadedComponent } from '../components/loaded-app.ts'
import { actionStorageSyscalls } from '../files/action-storage.ts'
import type { FileStore } from '../files/file-store.ts'
import { warningLine } from '../logs/function-log.ts'
import { type ActionScheduling, cancelFromAction, scheduleFromAction } from '../scheduler/scheduler-syscalls.ts'
import { type Call, parentJobOf } from './call-origin.ts'
import { searchVectors } from './vector-search.ts'
import { catchable, findTarget, unknownOperation } from './function-host.ts'

/** What actions can call. */
export interface ActionCallees {
  latestTs(): bigint
  query(call: FunctionCall, at: bigint): Promise<CallOutcome>
  mutation(call: FunctionCall): Promise<CallOutcome>
  runAction(call: FunctionCall): Promise<CallOutcome>
}

type Args = Readonly<Record<string, unknown>>
/** `body`: bytes that came with the operation, as a file's do. */
type Syscall = (host: DeploymentActionHost, args: Args, body: Uint8Array) => Promise<ActionAnswer | string> | string

export class DeploymentActionHost implements ActionHost {
  readonly functionName: string
  /** Of the action. */
  readonly component: LoadedComponent
  readonly requestId: string
  readonly deploymentName: string
  readonly files: FileStore
  readonly scheduling: ActionScheduling
  readonly #identity: Identity
  readonly #client: RequestClient
  /** What a handler hears that asks for the identity of a caller whose token was refused. */
  readonly #identityError: string | undefined
  readonly #functions: ActionCallees
  readonly #onLog: (lines: readonly LogLine[]) => void

  constructor(options: {
    readonly functionName: string
    readonly component: LoadedComponent
    readonly identity: Identity
    readonly identityError?: string
    readonly requestId: string
    readonly client?: RequestClient
    readonly deploymentName: string
    readonly files: FileStore
    readonly functions: ActionCallees
    readonly scheduling: ActionScheduling
    readonly onLog: (lines: readonly LogLine[]) => void
  }) {
    this.functionName = options.functionName
    this.component = options.component
    this.#identity = options.identity
    this.#identityError = options.identityError
    this.requestId = options.requestId
    this.#client = options.client ?? noClient
    this.deploymentName = options.deploymentName
    this.files = options.files
    this.#functions = options.functions
    this.scheduling = options.scheduling
    this.#onLog = options.onLog
  }

  async syscall(op: string, argsText: string, body: Uint8Array): Promise<ActionAnswer> {
    return await catchable(async () => {
      const handler = Object.hasOwn(syscalls, op) ? syscalls[op] : undefined
      if (handler === undefined) throw unknownOperation(op)
      const answer = await handler(this, JSON.parse(argsText) as Args, body)
      return typeof answer === 'string' ? { text: answer } : answer
    })
  }

  log(lines: readonly LogLine[]): void {
    this.#onLog(lines)
  }

  /** Adds a line to the action's log, from the platform. */
  warn(code: string, message: string): void {
    this.#onLog([warningLine(code, message, this.scheduling.clock.nowMs())])
  }

  readIdentity(): UserAttributes | null {
    if (this.#identityError !== undefined) throw new CatchableError(this.#identityError)
    return this.component.isApp ? userAttributesOf(this.#identity) : null
  }

  requestMetadata(): object {
    const scheduledFunctionId = parentJobOf(this.scheduling.origin)?.id ?? null
    const authToken = this.component.isApp ? authTokenOf(this.#identity) : null
    const { ip, userAgent } = this.#client
    return { ip, userAgent, requestId: this.requestId, scheduledFunctionId, authToken }
  }

  /** Runs another function for the action and answers its result's text, or throws its error. */
  async call(kind: 'query' | 'mutation' | 'action', args: Args): Promise<string> {
    const { component, path } = await this.resolveAddress(args)
    const call: Call = {
      path,
      componentPath: component.path,
      args: args['args'],
      identity: this.component.isApp && component.isApp ? this.#identity : withoutUser(this.#identity),
      requestId: this.requestId,
      client: this.#client,
      isInternal: true,
      origin: { kind: 'action', job: parentJobOf(this.scheduling.origin) },
    }
    const outcome = await this.#run(kind, call)
    if (outcome.kind === 'success') return outcome.valueText
    throw new CatchableError(outcome.message, outcome.dataText === undefined ? undefined : JSON.parse(outcome.dataText))
  }

  /** The function that a call names, as of now: the app may have been pushed anew since the action began. */
  async resolveAddress(args: Args): Promise<FunctionAddress> {
    return (await this.#loadApp()).resolveForAction(this.component.id, args)
  }

  /** A handle of the function that a call names. */
  async handleOf(args: Args): Promise<string> {
    const app = await this.#loadApp()
    return app.handleOf(findTarget(app.resolveForAction(this.component.id, args)))
  }

  async #loadApp(): Promise<LoadedApp> {
    const { database, registry } = this.scheduling
    return await registry.load(database.begin('query'))
  }

  async #run(kind: 'query' | 'mutation' | 'action', call: FunctionCall): Promise<CallOutcome> {
    switch (kind) {
      case 'query':
        return await this.#functions.query(call, this.#functions.latestTs())
      case 'mutation':
        return await this.#functions.mutation(call)
      case 'action':
        return await this.#functions.runAction(call)
    }
  }
}

/** Components are not told who calls the app; an admin stays one. */
function withoutUser(identity: Identity): Identity {
  return identity.kind === 'user' ? anonymous : identity
}

/** One entry for each operation that actions have; what is missing is refused by name (`unknownOperation`). */
const syscalls: Readonly<Record<string, Syscall>> = {
  '1.0/actions/query': (host, args) => host.call('query', args),
  '1.0/actions/mutation': (host, args) => host.call('mutation', args),
  '1.0/actions/action': (host, args) => host.call('action', args),
  '1.0/actions/schedule': async (host, args) => {
    const onWarning = (code: string, message: string): void => host.warn(code, message)
    return JSON.stringify(await scheduleFromAction(host.scheduling, host.component, args, onWarning))
  },
  '1.0/createFunctionHandle': async (host, args) => JSON.stringify(await host.handleOf(args)),
  '1.0/actions/cancel_job': async ({ scheduling, component }, { id }) => {
    await cancelFromAction(scheduling, component, id)
    return 'null'
  },
  '1.0/actions/vectorSearch': async ({ scheduling, component }, args) =>
    await searchVectors(scheduling.database, args, { namespace: component.id }),
  '1.0/getUserIdentity': (host) => JSON.stringify(host.readIdentity()),
  '1.0/getFunctionMetadata': (host) => JSON.stringify({ name: host.functionName, componentPath: host.component.path }),
  '1.0/getDeploymentMetadata': (host) => JSON.stringify({ name: host.deploymentName, region: null, class: 's256' }),
  '1.0/getRequestMetadata': (host) => JSON.stringify(host.requestMetadata()),
  ...actionStorageSyscalls,
  '1.0/createServiceToken': (_host, { service }) => refuseService(service),
  '1.0/getServiceUrl': (_host, { service }) => refuseService(service),
  '1.0/auditLog': () => {
    throw new CatchableError('Audit logging is not yet supported in actions')
  },
}

/** Services that the vendor's cloud has beside deployments. The client library leaves it to the host to know their names. */
const managedServices: ReadonlySet<unknown> = new Set(['ai-gateway'])

function refuseService(service: unknown): never {
  const name = JSON.stringify(service)
  if (!managedServices.has(service)) throw new CatchableError(`UnknownService: There is no service named ${name}.`)
  throw new CatchableError(`ServiceNotConfigured: This deployment has no service ${name}: call its provider directly.`)
}
