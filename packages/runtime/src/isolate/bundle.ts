/** Host side: turns an entry and what it imports into the one script that isolates start from. */
import { build, type Plugin } from 'esbuild'
import { fileURLToPath } from 'node:url'

/** Modules that actions have their own form of. */
const actionModules: Readonly<Record<string, string>> = {
  'syscalls.ts': 'actions/syscalls.ts',
  'web/timers.ts': 'actions/timers.ts',
  'web/streams.ts': 'actions/streams/streams.ts',
  'web/fetch.ts': 'actions/fetch.ts',
}

/** Bundles the script of isolates for queries and mutations; takes some 50 ms. */
export async function bundleIsolateScript(): Promise<string> {
  return await bundleEntry('entry.ts', [])
}

/** The same for actions, where time passes and the network can be asked for. */
export async function bundleActionScript(): Promise<string> {
  return await bundleEntry('actions/entry.ts', [replaceModules(actionModules)])
}

async function bundleEntry(entry: string, plugins: Plugin[]): Promise<string> {
  const result = await build({
    entryPoints: [pathOf(entry)],
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
    alias: { util: pathOf('no-util.ts') },
    plugins,
    logLevel: 'silent',
  })
  const output = result.outputFiles[0]
  if (output === undefined) throw new Error('esbuild produced no output')
  return output.text
}

function replaceModules(replacements: Readonly<Record<string, string>>): Plugin {
  const byPath = new Map(Object.entries(replacements).map(([from, to]) => [pathOf(from), pathOf(to)]))
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

function pathOf(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}
