import { BadRequest, createDeferred, Internal, type Log } from '@concave/base'
import type { AnalyzedFunction, AnalyzedModule } from '../analyzer.ts'
import type { Egress } from '../actions/egress.ts'
import type { CodeBundle, EnvBundle } from '../execution.ts'
import { runtimeLimits } from '../limits.ts'
import { frameKinds } from '../protocol.ts'
import { renderError } from '../source-frames.ts'
import { systemTimers, type Timers } from '../timers.ts'
import type { NodeProvider, NodeRequirements } from './node-action.ts'
import { networkFor } from './node-connections.ts'
import type { NodeNetwork } from './node-frames.ts'
import { parseError, parseLogLines } from './node-messages.ts'
import { NodeProcess } from './node-process.ts'
import { NodeWorkspace } from './node-workspace.ts'

export type NodeAnalyzeRequest = {
  /** The modules that run in Node, with their `_deps/node/` chunks. */
  readonly code: CodeBundle
  readonly env: EnvBundle
  readonly requirements: NodeRequirements
}

const maxFailureLogLines = 100

/**
 * Evaluates the modules of Node actions in a process that is thrown away afterwards. Rejects with `BadRequest` and the
 * text for the developer.
 */
export class NodeAnalyzer {
  readonly #provider: NodeProvider
  readonly #network: NodeNetwork
  readonly #log: Log
  readonly #timers: Timers

  constructor(options: {
    readonly provider: NodeProvider
    readonly egress: Pick<Egress, 'allowsPrivate'>
    readonly log: Log
    readonly timers?: Timers
  }) {
    this.#provider = options.provider
    this.#network = networkFor(options.egress)
    this.#log = options.log
    this.#timers = options.timers ?? systemTimers
  }

  /** By module path; without `_deps/`. */
  async analyze({ code, env, requirements }: NodeAnalyzeRequest): Promise<ReadonlyMap<string, AnalyzedModule>> {
    const { nodePath, packagesFolder } = await this.#provider.provide(requirements)
    const workspace = await NodeWorkspace.create(code, { packagesFolder })
    const process = await NodeProcess.start({
      nodePath,
      workspace,
      variables: env.variables,
      network: this.#network,
      log: this.#log,
    })
    let isTimedOut = false
    const stopLimit = this.#timers.after(runtimeLimits.nodeAnalysisTimeMs, () => {
      isTimedOut = true
      process.kill()
    })
    try {
      const modules = new Map<string, AnalyzedModule>()
      for (const path of code.modules.keys()) {
        if (path.startsWith('_deps/')) continue
        const functions = await this.#inspect(process, code, path, () => isTimedOut)
        modules.set(path, { functions, reuseContext: false, httpRoutes: undefined, cronsText: undefined })
      }
      return modules
    } finally {
      stopLimit()
      await process.close()
    }
  }

  async #inspect(
    process: NodeProcess,
    code: CodeBundle,
    path: string,
    isTimedOut: () => boolean,
  ): Promise<readonly AnalyzedFunction[]> {
    const answered = createDeferred<readonly AnalyzedFunction[]>()
    const refuse = (why: string): void => answered.reject(refusal(path, why))
    process.onFrame = (frame) => {
      if (frame.kind !== frameKinds.analyzed || frame.texts[0] !== path) return
      const [, state = '', text = '', linesText = '[]'] = frame.texts
      try {
        if (state === '0') answered.resolve(parseAnalysis(path, text))
        else refuse(failureText(text, linesText, code))
      } catch (error) {
        answered.reject(error instanceof BadRequest ? error : new Internal(error))
      }
    }
    process.onExit = ({ isOutOfMemory, description }) => {
      if (isTimedOut()) {
        refuse(`Function execution timed out (maximum duration: ${runtimeLimits.nodeAnalysisTimeMs / 1000}s)`)
      } else if (isOutOfMemory) {
        refuse(`JavaScript execution ran out of memory (maximum memory usage: ${runtimeLimits.nodeMemoryMb} MB)`)
      } else refuse(`The Node.js process ended while the module was loaded (${description}).`)
    }
    if (process.exit !== undefined) throw new Internal(`A process of Node actions ended: ${process.exit.description}`)
    process.send(frameKinds.analyze, [path, path])
    return await answered.promise
  }
}

function failureText(text: string, linesText: string, code: CodeBundle): string {
  const lines = parseLogLines(linesText)
  return [
    renderError(parseError(JSON.parse(text)), code),
    ...lines.slice(0, maxFailureLogLines).map(({ level, messages }) => `[${level}] ${messages.join(' ')}`),
  ].join('\n')
}

/** The functions of a module, of the form that everything later relies on. */
function parseAnalysis(path: string, text: string): readonly AnalyzedFunction[] {
  const { functions } = JSON.parse(text) as { readonly functions: readonly AnalyzedFunction[] }
  return functions.map(({ name, udfType, visibility, args, returns }) => {
    if (udfType !== 'Action') {
      throw refusal(
        path,
        `\`${name}\` is a ${String(udfType).toLowerCase()}, and only actions can be defined in Node.js. ` +
          'Remove "use node" or move it to another file. See https://docs.convex.dev/functions/actions',
      )
    }
    const { type } = JSON.parse(args) as { readonly type?: unknown }
    if (type !== 'object' && type !== 'any') {
      throw refusal(path, `The arguments validator of ${name} must be an object validator or v.any().`)
    }
    JSON.parse(returns)
    return {
      name: String(name),
      pos: null,
      udfType,
      visibility: { kind: visibility.kind === 'public' ? 'public' : 'internal' },
      args,
      returns,
    }
  })
}

function refusal(path: string, why: string): BadRequest {
  return new BadRequest('InvalidModules', `Failed to analyze ${path}: ${why}`)
}
