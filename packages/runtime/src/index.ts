/**
 * Runs user code: sandboxed runner processes, isolates, the module loader, the globals user code sees, limits, and the
 * push-time analysis. Nothing of the database or of HTTP is known here.
 */
export * from './execution.ts'
/** `RunnerPool.start({ log })`: warm generic runners; `pool.close()`. Throws `SandboxOpen` where a wall of the sandbox does not hold. */
export { RunnerPool, SandboxOpen, type RunnerPoolOptions } from './runner-pool.ts'
/** One deployment's runners: `executor.execute(request, host)`; lanes, deadlines, retries; `executor.close()`. */
export { Executor, type ExecutorOptions } from './executor.ts'
export type { SentCall } from './lane.ts'
/** Push analysis in a disposable runner: `analyzer.analyze(request)`: modules, schema, definition, auth config. */
export {
  Analyzer,
  type AnalyzedFunction,
  type AnalyzedModule,
  type Analyze,
  type AnalyzeOutcome,
  type AnalyzeRequest,
} from './analyzer.ts'
/** One deployment's actions: `actions.run(request, host)`; processes of their own, time limit, network through `Egress`. */
export { ActionExecutor, type ActionExecutorOptions } from './actions/action-executor.ts'
export type * from './actions/action.ts'
export { type Egress } from './actions/egress.ts'
export { whenDrained } from './actions/drained.ts'
export { ReadableSource } from './actions/readable-source.ts'
/** `Egress` by a process of its own: what serves others reads nothing from foreign servers. */
export { ProcessEgress } from './actions/egress-process/process-egress.ts'
/** One deployment's Node actions (`"use node"`): `nodeActions.run(request, host)`; ordinary Node, in a process of its own. */
export { NodeActionExecutor, type NodeActionExecutorOptions } from './node-actions/node-action-executor.ts'
export type * from './node-actions/node-action.ts'
/** Push analysis of modules that run in Node. */
export { NodeAnalyzer } from './node-actions/node-analyzer.ts'
export { packageSetId } from './node-actions/package-set.ts'
export { NpmNodeProvider, type NpmNodeProviderOptions } from './node-actions/npm-node-provider.ts'
/** `bundleOneOffQuery(live, source)`: code in which a query that was sent as source can run. */
export { bundleOneOffQuery, oneOffQueryPath } from './one-off-query.ts'
export { runtimeLimits } from './limits.ts'
export { Patience } from './patience.ts'
/** Push-time check and rewrite for context reuse: `prepareModule(source, path)`. */
export { prepareModule, type PreparedModule } from './stateless/prepare-module.ts'
/** Before `prepareModule`: `lowerModules(modules)`, so that `AsyncLocalStorage` survives `await` where it is used. */
export { lowerModules } from './async-context/lower-modules.ts'
/** `shiftSourceMap(map, prepared.inserted)`: the map of a prepared module, whose columns moved. */
export { shiftSourceMap } from './stateless/source-map.ts'
