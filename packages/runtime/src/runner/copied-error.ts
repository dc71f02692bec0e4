import { frozenWriteMessages } from '../isolate/frozen-write-messages.ts'
import type { ErrorDescription, RawFrame } from '../isolate-interface.ts'

/** Description of an error that isolated-vm copied out of an isolate: only name, message and the text of the stack are left. */
export function describeCopiedError(error: unknown): ErrorDescription {
  if (!(error instanceof Error)) {
    return { message: `Uncaught ${String(error)}`, frames: [], frozenWrite: false }
  }
  const label = [error.name, error.message].filter((part) => part !== '').join(': ')
  return {
    message: label === '' ? 'Uncaught' : `Uncaught ${label}`,
    frames: parseStack(error.stack ?? ''),
    frozenWrite: error.name === 'TypeError' && frozenWriteMessages.some((pattern) => pattern.test(error.message)),
  }
}

/** Frames of a stack in V8's own format, up to the border of the isolate. */
function parseStack(stack: string): RawFrame[] {
  const frames: RawFrame[] = []
  for (const line of stack.split('\n')) {
    if (line.includes('<isolated-vm boundary>')) break
    const match = /^\s+at (async )?(?:(.+?) \()?([^()]+?):(\d+):(\d+)\)?$/.exec(line)
    if (match === null) continue
    frames.push({
      functionName: match[2] ?? null,
      fileName: match[3] ?? null,
      lineNumber: Number(match[4]),
      columnNumber: Number(match[5]),
      isAsync: match[1] !== undefined,
    })
  }
  return frames
}
