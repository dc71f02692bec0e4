/**
 * Runs user code: sandboxed runner processes, isolates, the module loader, the globals user code sees, limits, and the
 * push-time analysis. Nothing of the database or of HTTP is known here.
 */
export * from './execution.ts'
/** `RunnerPool.start(deps)`: warm generic runners; `pool.close()`. */
export { RunnerPool } from './runner-pool.ts'
/** One deployment's runners: `executor.execute(request, host)`; lanes, deadlines, retries of killed queries; `executor.close()`. */
export { Executor } from './executor.ts'
/** Push analysis in a disposable runner: modules, schema, definitions, auth config. */
export { Analyzer, type AnalyzedFunction, type AnalyzedModule, type AnalyzeOutcome } from './analyzer.ts'
/** Push-time check and rewrite for context reuse: `prepareModule(source, path)`. */
export { prepareModule, type PreparedModule } from './stateless/prepare-module.ts'
