import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

let program: Promise<string> | undefined
let actionProgram: Promise<string> | undefined
let nodeProgram: Promise<string> | undefined
let egressProgram: Promise<string> | undefined

/**
 * The runner's program as one CommonJS text, which a child reads from its standard input: loading it as TypeScript files
 * would cost each runner 0.3 s of processor time. Built once per process.
 */
export function loadRunnerProgram(): Promise<string> {
  program ??= buildRunnerProgram(new URL('runner/main.ts', import.meta.url))
  return program
}

/** The same for runners of actions. */
export function loadActionRunnerProgram(): Promise<string> {
  actionProgram ??= buildRunnerProgram(new URL('actions/runner/main.ts', import.meta.url))
  return actionProgram
}

/** The program of the egress process. */
export function loadEgressProgram(): Promise<string> {
  egressProgram ??= buildRunnerProgram(new URL('actions/egress-process/main.ts', import.meta.url))
  return egressProgram
}

/** The same for processes of Node actions, which may run an older Node. */
export function loadNodeProgram(): Promise<string> {
  nodeProgram ??= buildRunnerProgram(new URL('node-actions/runner/main.ts', import.meta.url), 'node20')
  return nodeProgram
}

async function buildRunnerProgram(entry: URL, target = 'node24'): Promise<string> {
  const { resolve } = createRequire(import.meta.url)
  const result = await build({
    entryPoints: [fileURLToPath(entry)],
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target,
    legalComments: 'none',
    write: false,
    logLevel: 'silent',
    plugins: [
      {
        name: 'native-packages',
        setup: (bundle) => {
          // A script from standard input has no place from which packages could be found.
          bundle.onResolve({ filter: /^(isolated-vm|koffi)$/ }, ({ path }) => ({ path: resolve(path), external: true }))
        },
      },
    ],
  })
  const [output] = result.outputFiles
  if (output === undefined) throw new Error('The runner program was not built.')
  return output.text
}
