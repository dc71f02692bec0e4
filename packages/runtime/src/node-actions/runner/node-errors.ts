/** Errors of user code as the supervisor reports them: frames name the pushed modules (function-runtime.md §1.11). */
import type { ErrorDescription, RawFrame } from '../../isolate-interface.ts'
import { describe, resetErrors } from '../../isolate/errors.ts'
import { preambleLength } from '../preamble.ts'

let codeUrl = ''

/** `url`: of the folder that holds the modules. Stacks are recorded in the form that source maps need from here on. */
export function installErrors(url: string): void {
  codeUrl = url
  resetErrors()
}

/** Never throws, whatever was thrown. */
export function describeHere(thrown: unknown): ErrorDescription {
  const { message, frames, data, frozenWrite } = describe(thrown)
  return { message, frames: frames.map(locate), frozenWrite, ...(data === undefined ? {} : { data }) }
}

function locate(frame: RawFrame): RawFrame {
  const { fileName, lineNumber, columnNumber } = frame
  if (fileName === null || !fileName.startsWith(codeUrl)) return { ...frame, fileName: null }
  const isFirstLine = lineNumber === 1 && columnNumber !== null
  return {
    ...frame,
    fileName: decodeURIComponent(fileName.slice(codeUrl.length)),
    columnNumber: isFirstLine ? Math.max(1, columnNumber - preambleLength) : columnNumber,
  }
}
