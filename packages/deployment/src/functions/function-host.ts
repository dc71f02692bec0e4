/**
 * Answers the syscalls of one execution on its transaction (function-runtime.md §2). Nested calls form a stack: the
 * innermost frame is always the one that calls.
 */
import { assert, bytesToHex, type Clock, type PlatformError, systemRandom } from '@concave/base'
import { type Database, isDeveloperError, type QueryCursor, type Savepoint, type Transaction } from '@concave/database'
import {
  authTokenOf,
  canonicalFunctionPath,
  displayFunctionPath,
  type FunctionPath,
  type Identity,
  type RequestClient,
  userAttributesOf,
} from '@concave/protocol'
import {
  CatchableError,
  type EnvBundle,
  type ExecutionHost,
  type LogLine,
  type NestedCall,
  type NestedOutcome,
  type UdfType,
} from '@concave/runtime'
import { decodePatch, decodeValue, stringifyValue, type TableNumbers } from '@concave/values'
import type { FunctionAddress, LoadedApp, LoadedComponent } from '../components/loaded-app.ts'
import type { FileStore } from '../files/file-store.ts'
import { storageSyscalls } from '../files/storage-syscalls.ts'
import { deploymentLimits } from '../limits.ts'
import { warningLine } from '../logs/function-log.ts'
import { readJwtRequest, type SigningKeys } from '../auth/signing-keys.ts'
import { schedulerSyscalls } from '../scheduler/scheduler-syscalls.ts'
import { type CallOrigin, parentJobOf } from './call-origin.ts'
import { checkArguments, checkResult } from './call-values.ts'
import { FunctionError } from './function-error.ts'
import type { FunctionKind, LoadedFunction, TransactionalFunction } from './loaded-code.ts'

type Frame = {
  readonly udfType: UdfType
  readonly component: LoadedComponent
  readonly path: FunctionPath
  readonly function: LoadedFunction
  /** Differs from the outer frame's for a query on the mutation's starting snapshot. */
  readonly tx: Transaction
  readonly cursors: Map<number, QueryCursor>
  /** What a nested mutation that fails goes back to. */
  readonly savepoint: Savepoint | undefined
  readonly leave: () => void
}

/** Rows of a page that the runner fetches ahead. */
const pageRows = 100

/** Answers with JSON text: documents are text already and go through unparsed. */
export type Syscall = (host: FunctionHost, args: Readonly<Record<string, unknown>>) => Promise<string> | string

export class FunctionHost implements ExecutionHost {
  readonly files: FileStore
  readonly #database: Database
  readonly #app: LoadedApp
  readonly #env: EnvBundle
  readonly #identity: Identity
  readonly #requestId: string
  readonly #client: RequestClient
  readonly #deploymentName: string
  readonly #signingKeys: SigningKeys
  readonly #journalIn: string | null
  readonly #clock: Clock
  readonly #frames: Frame[]
  /** Set when the server itself runs the function. */
  readonly origin: CallOrigin | undefined
  readonly #start: Savepoint
  #warnings: LogLine[] = []
  #journalOut: string | null = null
  #observedIdentity = false
  #observedTime = false

  constructor(options: {
    readonly database: Database
    readonly files: FileStore
    readonly tx: Transaction
    readonly app: LoadedApp
    /** The app's variables. */
    readonly env: EnvBundle
    readonly address: FunctionAddress
    readonly function: TransactionalFunction
    readonly identity: Identity
    readonly requestId: string
    readonly client: RequestClient
    readonly deploymentName: string
    readonly signingKeys: SigningKeys
    readonly journal: string | null
    readonly clock: Clock
    readonly origin: CallOrigin | undefined
  }) {
    this.files = options.files
    this.#database = options.database
    this.#app = options.app
    this.#env = options.env
    this.#identity = options.identity
    this.#requestId = options.requestId
    this.#client = options.client
    this.#deploymentName = options.deploymentName
    this.#signingKeys = options.signingKeys
    this.#journalIn = options.journal
    this.#clock = options.clock
    this.origin = options.origin
    const { tx, address } = options
    this.#start = tx.savepoint()
    this.#frames = [
      {
        udfType: options.function.udfType,
        ...address,
        function: options.function,
        tx,
        cursors: new Map(),
        savepoint: undefined,
        leave: () => {},
      },
    ]
  }

  /** End cursor of the paginated read, to be given back at the next run of the same subscription. */
  get journal(): string | null {
    return this.#journalOut
  }

  get observedIdentity(): boolean {
    return this.#observedIdentity
  }

  /** Time that was read through a syscall; the runtime knows of the clock. */
  get observedTime(): boolean {
    return this.#observedTime
  }

  get tables(): TableNumbers {
    return this.#frame.tx.tableNumbers(this.component.id)
  }

  /** The same call runs again on the same snapshot; nothing of the run before stays but what it read. */
  async restart(): Promise<void> {
    for (const frame of this.#frames.splice(1).reverse()) frame.leave()
    this.#frame.cursors.clear()
    this.#frame.tx.startOver(this.#start)
    this.#warnings = []
    this.#journalOut = null
    this.#observedIdentity = false
    this.#observedTime = false
  }

  async syscall(op: string, argsText: string): Promise<string> {
    return await catchable(async () => {
      const handler = Object.hasOwn(syscalls, op) ? syscalls[op] : undefined
      if (handler === undefined) throw unknownOperation(op)
      return await handler(this, JSON.parse(argsText) as Record<string, unknown>)
    })
  }

  async nextPage(queryId: number, query: string | undefined): Promise<{ rows: readonly string[]; done: boolean }> {
    return await catchable(async () => {
      const { cursors, tx } = this.#frame
      let cursor = cursors.get(queryId)
      if (cursor === undefined) {
        if (query === undefined) throw new CatchableError('in-progress query not found')
        const parsed = JSON.parse(query) as { source?: { tableName?: unknown; indexName?: unknown } }
        cursor = tx.openCursor(parsed, { scope: scopeOfQuery(parsed) })
        cursors.set(queryId, cursor)
      }
      return await cursor.nextPage(pageRows)
    })
  }

  consumed(queryId: number, rows: number): void {
    this.#frame.cursors.get(queryId)?.consumed(rows)
  }

  closeCursor(queryId: number): void {
    const { cursors } = this.#frame
    cursors.get(queryId)?.close()
    cursors.delete(queryId)
  }

  async beginNested(argsText: string): Promise<NestedCall> {
    return await catchable(async () => {
      const args = JSON.parse(argsText) as Record<string, unknown>
      const caller = this.#frame
      const { udfType, isSnapshot } = readNestedType(args['udfType'])
      if (udfType === 'mutation' && caller.udfType === 'query') {
        throw new CatchableError('Cannot call a mutation function from a query function')
      }
      if (isSnapshot && caller.udfType === 'query') {
        throw new CatchableError('Cannot call a snapshotQuery function from a query function')
      }
      if (this.#frames.length > deploymentLimits.maxNestedCalls) {
        throw new CatchableError('Cross component call depth limit exceeded. Do you have an infinite loop in your app?')
      }
      const { component, path } = this.resolveAddress(args)
      const found = component.code.find(path)
      if (found === undefined) throw new CatchableError(notFoundMessage(path))
      if (found.udfType !== udfType) throw new CatchableError(wrongKindMessage(path, udfType, found.udfType))
      const namespace = component.id
      const { beginTs: at } = caller.tx
      const tx = isSnapshot ? this.#database.begin('mutation', { at, namespace, partOf: caller.tx }) : caller.tx
      const checked = checkArguments(path, found.args, args['args'], tx.tableNumbers(namespace))
      this.#frames.push({
        udfType,
        component,
        path,
        function: found,
        tx,
        cursors: new Map(),
        savepoint: udfType === 'mutation' ? tx.savepoint() : undefined,
        leave: tx.enterNested(readLimits(args['transactionLimits']), namespace),
      })
      return {
        udfType,
        code: component.code.bundle,
        env: component.environment(this.#env),
        componentId: component.id,
        modulePath: path.module,
        exportName: path.name,
        argsText: checked,
        seed: bytesToHex(systemRandom.bytes(32)),
        udfPath: displayFunctionPath(path),
        componentPath: component.path,
      }
    })
  }

  async endNested(outcome: NestedOutcome): Promise<string> {
    const { tables } = this
    const frame = this.#frames.pop()
    assert(frame !== undefined && this.#frames.length > 0, 'a nested call ended that never began')
    for (const cursor of frame.cursors.values()) cursor.close()
    frame.leave()
    if (outcome.kind === 'userError') {
      if (frame.savepoint !== undefined) frame.tx.rollbackTo(frame.savepoint)
      throw new CatchableError(outcome.message, outcome.data === undefined ? undefined : JSON.parse(outcome.data))
    }
    return await catchable(async () => {
      checkResult(frame.path, frame.function.returns, outcome.resultText, tables)
      return outcome.resultText
    })
  }

  get #frame(): Frame {
    const frame = this.#frames.at(-1)
    assert(frame !== undefined, 'an execution has at least its own frame')
    return frame
  }

  // Operations, called through the table below

  get tx(): Transaction {
    return this.#frame.tx
  }

  get udfType(): UdfType {
    return this.#frame.udfType
  }

  get functionName(): string {
    return displayFunctionPath(this.#frame.path)
  }

  get deploymentName(): string {
    return this.#deploymentName
  }

  get signingKeys(): SigningKeys {
    return this.#signingKeys
  }

  /** Of the function that calls. */
  get component(): LoadedComponent {
    return this.#frame.component
  }

  handleOf(address: FunctionAddress): string {
    return this.#app.handleOf(address)
  }

  /** The real time; what user code sees stands still. */
  get nowMs(): number {
    return this.#clock.nowMs()
  }

  /** The function that a call names. */
  resolveAddress(args: Readonly<Record<string, unknown>>): FunctionAddress {
    return this.#app.resolve(this.component, args)
  }

  /** Adds a line to the function's log, from the platform. */
  warn(code: string, message: string): void {
    this.#warnings.push(warningLine(code, message, this.nowMs))
  }

  /** Lines of the platform, for the end of the execution. */
  warnings(): readonly LogLine[] {
    const budgets = this.#frame.tx.warnings()
    if (budgets.length === 0) return this.#warnings
    const ofBudgets = budgets.map(({ code, message }) => warningLine(code, message, this.nowMs))
    return [...this.#warnings, ...ofBudgets]
  }

  observeTime(): void {
    this.#observedTime = true
  }

  observeIdentity(): unknown {
    this.#observedIdentity = true
    // Components are not told who calls the app (function-runtime.md §6.5).
    return this.component.isApp ? userAttributesOf(this.#identity) : null
  }

  requestMetadata(): object {
    this.#observedIdentity = true
    const scheduledFunctionId = parentJobOf(this.origin)?.id ?? null
    const authToken = this.component.isApp ? authTokenOf(this.#identity) : null
    const { ip, userAgent } = this.#client
    return { ip, userAgent, requestId: this.#requestId, scheduledFunctionId, authToken }
  }

  async paginate(args: Readonly<Record<string, unknown>>): Promise<string> {
    if (!this.component.isApp) throw new CatchableError(paginationInComponentMessage)
    const query = args['query'] as { source?: { tableName?: unknown; indexName?: unknown } }
    const isRoot = this.#frames.length === 1
    const page = await this.tx.paginate(
      query,
      {
        cursor: optionalText(args['cursor']),
        endCursor: optionalText(args['endCursor']),
        numItems: Number(args['pageSize']),
        maximumRowsRead: optionalNumber(args['maximumRowsRead']),
        maximumBytesRead: optionalNumber(args['maximumBytesRead']),
        journal: isRoot ? this.#journalIn : null,
      },
      { scope: scopeOfQuery(query) },
    )
    if (isRoot) this.#journalOut = page.journal
    const { page: documents, isDone, continueCursor, splitCursor, pageStatus } = page
    const rest = JSON.stringify({ isDone, continueCursor, splitCursor, pageStatus })
    return `{"page":[${documents.join(',')}],${rest.slice(1)}`
  }

  requireMutation(op: string): void {
    if (this.udfType !== 'mutation') throw new CatchableError(`${op} is not available in queries: they cannot write.`)
  }
}

const syscalls: Readonly<Record<string, Syscall>> = {
  ...storageSyscalls,
  ...schedulerSyscalls,
  '1.0/get': async (host, { id, table, isSystem }) => {
    const document = await host.tx.get(text(id), {
      scope: isSystem === true ? 'system' : 'user',
      ...(typeof table === 'string' ? { table } : {}),
    })
    return document === null ? 'null' : document.text
  },
  '1.0/insert': async (host, { table, value }) => {
    host.requireMutation('db.insert')
    return JSON.stringify({ _id: await host.tx.insert(text(table), decodeValue(value)) })
  },
  '1.0/shallowMerge': async (host, { id, value, table }) => {
    host.requireMutation('db.patch')
    const document = await host.tx.patch(text(id), decodePatch(value), typeof table === 'string' ? { table } : {})
    return document.text
  },
  '1.0/replace': async (host, { id, value, table }) => {
    host.requireMutation('db.replace')
    const document = await host.tx.replace(text(id), decodeValue(value), typeof table === 'string' ? { table } : {})
    return document.text
  },
  '1.0/remove': async (host, { id, table }) => {
    host.requireMutation('db.delete')
    const document = await host.tx.delete(text(id), typeof table === 'string' ? { table } : {})
    return document.text
  },
  '1.0/count': async (host, { table }) => JSON.stringify(await host.tx.count(text(table))),
  '1.0/db/normalizeId': (host, { table, idString }) => {
    const scope = text(table).startsWith('_') ? 'system' : 'user'
    return JSON.stringify({ id: host.tx.normalizeId(text(table), text(idString), { scope }) })
  },
  '1.0/queryPage': async (host, args) => await host.paginate(args),
  '1.0/getUserIdentity': (host) => JSON.stringify(host.observeIdentity()),
  '1.0/signJwt': async (host, args) => {
    host.requireMutation('ctx.auth.signJwt')
    return JSON.stringify(await host.signingKeys.sign(readJwtRequest(args), host.component.path))
  },
  '1.0/getSnapshotTs': (host) => {
    host.observeTime()
    return stringifyValue(host.tx.beginTs)
  },
  '1.0/getTransactionMetrics': (host) => JSON.stringify(host.tx.metrics()),
  '1.0/createFunctionHandle': (host, args) => JSON.stringify(host.handleOf(findTarget(host.resolveAddress(args)))),
  '1.0/getFunctionMetadata': (host) => JSON.stringify({ name: host.functionName, componentPath: host.component.path }),
  '1.0/getDeploymentMetadata': (host) => JSON.stringify({ name: host.deploymentName, region: null, class: 's256' }),
  '1.0/getRequestMetadata': (host) => {
    if (host.udfType === 'query') throw new CatchableError('Cannot get request metadata in a query')
    return JSON.stringify(host.requestMetadata())
  },
}

/** What this version does not have, by the name its user knows. */
const unsupported: Readonly<Record<string, string>> = {
  '1.0/auditLog': 'log.audit',
}

/** What only actions have. */
const ofActions: Readonly<Record<string, string>> = {
  '1.0/createServiceToken': 'getServiceToken',
  '1.0/getServiceUrl': 'getServiceUrl',
}

export function unknownOperation(op: string): CatchableError {
  const actionName = Object.hasOwn(ofActions, op) ? ofActions[op] : undefined
  if (actionName !== undefined)
    return new CatchableError(`${actionName} can only be called while an action is running.`)
  const name = Object.hasOwn(unsupported, op) ? unsupported[op] : undefined
  if (name !== undefined) return new CatchableError(`${name} is not supported by this version of Concave yet.`)
  return new CatchableError(`Unknown async operation ${op}`)
}

/** Developer errors may be caught by user code; everything else must end the execution. */
export async function catchable<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof CatchableError) throw error
    if (error instanceof FunctionError) {
      throw new CatchableError(error.message, error.dataText === undefined ? undefined : JSON.parse(error.dataText))
    }
    if (!isDeveloperError(error)) throw error
    throw new CatchableError(error.message, dataOf(error))
  }
}

function dataOf(error: PlatformError): unknown {
  return 'data' in error ? error.data : undefined
}

/** A function that must exist now. */
export function findTarget(address: FunctionAddress): FunctionAddress {
  if (address.component.code.find(address.path) === undefined) throw new CatchableError(notFoundMessage(address.path))
  return address
}

const paginationInComponentMessage =
  'paginate() is only supported in the app. Learn more at https://docs.convex.dev/components/authoring#pagination'

function readNestedType(type: unknown): { udfType: UdfType; isSnapshot: boolean } {
  if (type === 'query' || type === 'mutation') return { udfType: type, isSnapshot: false }
  if (type === 'snapshotQuery') return { udfType: 'query', isSnapshot: true }
  throw new CatchableError(`Invalid arguments for \`runUdf\`: unknown function type ${JSON.stringify(type)}`)
}

function readLimits(json: unknown): Record<string, number> {
  if (typeof json !== 'object' || json === null) return {}
  return Object.fromEntries(
    Object.entries(json).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  )
}

/** `db.system.query` sends no flag: the side follows from the table's name. */
function scopeOfQuery(query: { source?: { tableName?: unknown; indexName?: unknown } }): 'user' | 'system' {
  const name = query.source?.tableName ?? query.source?.indexName
  return typeof name === 'string' && name.startsWith('_') ? 'system' : 'user'
}

export function notFoundMessage(path: FunctionPath): string {
  return `Could not find function for '${displayFunctionPath(path)}'. Did you forget to run \`npx convex dev\`?`
}

export function wrongKindMessage(path: FunctionPath, asked: FunctionKind, actual: FunctionKind): string {
  const names = { query: 'Query', mutation: 'Mutation', action: 'Action' } as const
  return `Trying to execute ${canonicalFunctionPath(path)} as ${names[asked]}, but it is defined as ${names[actual]}.`
}

function text(value: unknown): string {
  if (typeof value === 'string') return value
  throw new CatchableError(`Expected a string, got ${JSON.stringify(value) ?? 'undefined'}.`)
}

function optionalText(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function optionalNumber(value: unknown): number | null {
  return typeof value === 'number' ? value : null
}
