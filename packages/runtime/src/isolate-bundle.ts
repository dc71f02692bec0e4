import { bundleIsolateScript } from './isolate/bundle.ts'
import { isolateGlue } from './isolate-interface.ts'

let script: Promise<string> | undefined

/** The script that every isolate starts from, as one text. Built once per process. */
export function loadIsolateScript(): Promise<string> {
  script ??= bundleIsolateScript().then((bundle) => `${bundle}\n${isolateGlue}`)
  return script
}
