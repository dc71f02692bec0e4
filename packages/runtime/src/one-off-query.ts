/** Queries that are sent as source and run once, beside the code that is live (sync-and-http.md §6.2). */
import { createHash } from 'node:crypto'
import type { CodeBundle, ModuleSource } from './execution.ts'
import { bundleReplWrappers } from './isolate/bundle.ts'
import { replWrappersPath } from './runner/module-graph.ts'
import { prepareModule } from './stateless/prepare-module.ts'

export const oneOffQueryPath = 'testQuery.js'

let wrappers: Promise<string> | undefined

/** `live` with the source as the module `testQuery.js`, whose default export is the query. Answers why it can't be run. */
export async function bundleOneOffQuery(
  live: CodeBundle,
  source: string,
): Promise<CodeBundle | { readonly refused: string }> {
  const { refused } = prepareModule(source, oneOffQueryPath)
  if (refused !== undefined) return { refused }
  wrappers ??= bundleReplWrappers()
  const added: readonly ModuleSource[] = [
    { path: replWrappersPath, source: await wrappers, sourceMap: undefined, reuse: 'fresh' },
    { path: oneOffQueryPath, source, sourceMap: undefined, reuse: 'fresh' },
  ]
  const digest = createHash('sha256').update(source).digest('hex')
  return {
    ...live,
    version: `${live.version}:one-off:${digest}`,
    modules: new Map([...live.modules, ...added.map((module) => [module.path, module] as const)]),
  }
}
