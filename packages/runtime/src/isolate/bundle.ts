/** Host side: turns an entry and what it imports into the one script that isolates start from. */
import { build, type Plugin } from 'esbuild'
import { fileURLToPath } from 'node:url'

/** Modules that actions have their own form of: what stands for what. */
const actionModules: readonly (readonly [from: URL, to: URL])[] = [
  [new URL('./syscalls.ts', import.meta.url), new URL('./actions/syscalls.ts', import.meta.url)],
  [new URL('./dynamic-import.ts', import.meta.url), new URL('./actions/dynamic-import.ts', import.meta.url)],
  [new URL('./web/timers.ts', import.meta.url), new URL('./actions/timers.ts', import.meta.url)],
  [new URL('./web/streams.ts', import.meta.url), new URL('./actions/streams/streams.ts', import.meta.url)],
  [new URL('./web/fetch.ts', import.meta.url), new URL('./actions/fetch.ts', import.meta.url)],
]

/** Bundles the script of isolates for queries and mutations; takes some 50 ms. */
export async function bundleIsolateScript(): Promise<string> {
  return await bundleEntry(new URL('./entry.ts', import.meta.url), [])
}

/** The same for actions, where time passes and the network can be asked for. */
export async function bundleActionScript(): Promise<string> {
  return await bundleEntry(new URL('./actions/entry.ts', import.meta.url), [replaceModules(actionModules)])
}

async function bundleEntry(entry: URL, plugins: Plugin[]): Promise<string> {
  const result = await build({
    entryPoints: [fileURLToPath(entry)],
    bundle: true,
    write: false,
    platform: 'neutral',
    mainFields: ['module', 'main'],
    format: 'iife',
    target: 'es2024',
    charset: 'utf8',
    // Functions keep their names: they show up in user code, as `Date.name` does.
    keepNames: false,
    banner: { js: '"use strict";' },
    alias: { util: fileURLToPath(new URL('./no-util.ts', import.meta.url)) },
    plugins,
    logLevel: 'silent',
  })
  const output = result.outputFiles[0]
  if (output === undefined) throw new Error('esbuild produced no output')
  return output.text
}

function replaceModules(replacements: typeof actionModules): Plugin {
  const byPath = new Map(replacements.map(([from, to]) => [fileURLToPath(from), fileURLToPath(to)]))
  return {
    name: 'replace-modules',
    setup: (bundle) => {
      bundle.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const replacement = byPath.get(path)
        return replacement === undefined ? undefined : { contents: `export * from ${JSON.stringify(replacement)}` }
      })
    },
  }
}

/** The module that one-off queries import, as the text of one ES module. */
export async function bundleReplWrappers(): Promise<string> {
  const result = await build({
    entryPoints: [fileURLToPath(new URL('./repl/wrappers.ts', import.meta.url))],
    bundle: true,
    write: false,
    platform: 'neutral',
    format: 'esm',
    target: 'es2024',
    charset: 'utf8',
    logLevel: 'silent',
  })
  const output = result.outputFiles[0]
  if (output === undefined) throw new Error('esbuild produced no output')
  return output.text
}
