import { bundleActionScript, bundleIsolateScript } from './isolate/bundle.ts'
import { isolateGlue } from './isolate-interface.ts'

let script: Promise<string> | undefined
let actionScript: Promise<string> | undefined

/** The script that every isolate of queries and mutations starts from, as one text. Built once per process. */
export function loadIsolateScript(): Promise<string> {
  script ??= bundleIsolateScript().then((bundle) => `${bundle}\n${isolateGlue}`)
  return script
}

/** The same for isolates of actions. */
export function loadActionScript(): Promise<string> {
  actionScript ??= bundleActionScript()
  return actionScript
}
