/** Host side: turns `entry.ts` and what it imports into the one script that isolates start from. */
import { build } from 'esbuild'
import { fileURLToPath } from 'node:url'

/** Bundles the isolate's script; takes some 50 ms. */
export async function bundleIsolateScript(): Promise<string> {
  const result = await build({
    entryPoints: [fileURLToPath(new URL('entry.ts', import.meta.url))],
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
    logLevel: 'silent',
  })
  const output = result.outputFiles[0]
  if (output === undefined) throw new Error('esbuild produced no output')
  return output.text
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
