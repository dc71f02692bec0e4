/**
 * What ends more than one promise: rejections and exceptions that nobody catches, and code that wants to end the process
 * (function-runtime.md §3.8). The action that did it fails; if nobody knows which, all do. The process is replaced.
 */
import type { NodeCall } from './node-call.ts'
import { describeHere } from './node-errors.ts'

/** Thrown where `process.exit` does not return; the action has failed by then. */
export class ProcessExit extends Error {
  constructor(code: string | number) {
    super(`The code ended its process: process.exit(${code})`)
  }
}

export function watchProcess(running: {
  readonly current: () => NodeCall | undefined
  readonly all: () => readonly NodeCall[]
  readonly onBroken: () => void
}): void {
  const concerned = (): readonly NodeCall[] => {
    const call = running.current()
    return call === undefined ? running.all() : [call]
  }
  const fail = (error: unknown): void => {
    if (error instanceof ProcessExit) return
    running.onBroken()
    for (const call of concerned()) call.fail(describeHere(error), { isBroken: true })
  }
  process.on('unhandledRejection', fail)
  process.on('uncaughtException', fail)
  const exit = (code?: unknown): never => {
    const shown = typeof code === 'number' || typeof code === 'string' ? code : (process.exitCode ?? 0)
    const error = new ProcessExit(shown)
    for (const call of concerned()) call.fail(describeHere(error), { isBroken: true })
    throw error
  }
  for (const name of ['exit', 'reallyExit'] as const) {
    Object.defineProperty(process, name, { value: exit, writable: true, configurable: true })
  }
}
