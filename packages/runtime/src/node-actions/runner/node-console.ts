/**
 * `console` and the standard streams: what is written on behalf of an action becomes its log lines, rendered as in the
 * default runtime (function-runtime.md §3.5); what nobody asked for goes nowhere.
 */
import { Console } from 'node:console'
import { Writable } from 'node:stream'
import type { LogLevel, LogLine } from '../../execution.ts'
import { formatArguments } from '../../isolate/console.ts'
import { currentCall } from './node-call.ts'

function write(level: LogLevel, messages: string[]): void {
  if (currentCall.getStore() === undefined)
    importLines?.push({ level, messages, timestamp: Date.now(), isTruncated: false })
  else currentCall.getStore()?.log(level, messages)
}

let importLines: LogLine[] | undefined

/** Lines that are written while `load` runs outside of any action, as a push's analysis does. */
export async function collectLines(load: () => Promise<void>): Promise<readonly LogLine[]> {
  const lines: LogLine[] = []
  importLines = lines
  try {
    await load()
  } finally {
    importLines = undefined
  }
  return lines
}

const lineMethods = {
  debug: (...args: unknown[]) => write('DEBUG', formatArguments(args)),
  error: (...args: unknown[]) => write('ERROR', formatArguments(args)),
  info: (...args: unknown[]) => write('INFO', formatArguments(args)),
  log: (...args: unknown[]) => write('LOG', formatArguments(args)),
  warn: (...args: unknown[]) => write('WARN', formatArguments(args)),
  trace: (...args: unknown[]) => {
    const holder: { stack?: string } = {}
    Error.captureStackTrace(holder, lineMethods.trace)
    write('LOG', [...formatArguments(args), (holder.stack ?? '').split('\n').slice(1).join('\n')])
  },
  time: (label: unknown = 'default') => {
    const timers = currentCall.getStore()?.timers
    if (timers?.has(String(label))) write('WARN', [`Timer '${String(label)}' already exists`])
    else timers?.set(String(label), Date.now())
  },
  timeLog: (label: unknown = 'default', ...args: unknown[]) => {
    const text = elapsed(String(label))
    if (text !== undefined) write('INFO', [[text, ...formatArguments(args)].join(' ')])
  },
  timeEnd: (label: unknown = 'default') => {
    const text = elapsed(String(label))
    if (text !== undefined) write('INFO', [text])
    currentCall.getStore()?.timers.delete(String(label))
  },
}

function elapsed(label: string): string | undefined {
  const startedAt = currentCall.getStore()?.timers.get(label)
  if (startedAt !== undefined) return `${label}: ${Date.now() - startedAt}ms`
  write('WARN', [`Timer '${label}' does not exist`])
  return undefined
}

/** Lines of text that are no console lines of ours: `console.table`, a logging library that writes to standard output. */
function textWriter(level: LogLevel): (chunk: unknown) => void {
  return (chunk) => {
    const text = Buffer.isBuffer(chunk) || chunk instanceof Uint8Array ? Buffer.from(chunk).toString() : String(chunk)
    for (const line of text.replace(/\n$/, '').split('\n')) write(level, [line])
  }
}

export function installConsole(): void {
  const toLines = (level: LogLevel): Writable => {
    const writeText = textWriter(level)
    return new Writable({
      decodeStrings: false,
      write: (chunk, _encoding, done) => {
        writeText(chunk)
        done()
      },
    })
  }
  const other = new Console({ stdout: toLines('LOG'), stderr: toLines('WARN') })
  for (const name of [
    'table',
    'dir',
    'dirxml',
    'group',
    'groupCollapsed',
    'groupEnd',
    'count',
    'countReset',
  ] as const) {
    Object.defineProperty(console, name, { value: other[name].bind(other), writable: true, configurable: true })
  }
  Object.defineProperty(console, 'assert', {
    value: (isTrue: unknown, ...args: unknown[]) => {
      if (!isTrue)
        write('WARN', args.length === 0 ? ['Assertion failed'] : ['Assertion failed:', ...formatArguments(args)])
    },
    writable: true,
    configurable: true,
  })
  for (const [name, value] of Object.entries(lineMethods)) {
    Object.defineProperty(console, name, { value, writable: true, configurable: true })
  }
  redirect(process.stdout, 'LOG')
  redirect(process.stderr, 'WARN')
}

function redirect(stream: NodeJS.WriteStream, level: LogLevel): void {
  const writeText = textWriter(level)
  const replacement = (chunk: unknown, encoding?: unknown, done?: unknown): boolean => {
    writeText(chunk)
    const callback = typeof encoding === 'function' ? encoding : done
    if (typeof callback === 'function') process.nextTick(callback as () => void)
    return true
  }
  Object.defineProperty(stream, 'write', { value: replacement, writable: true, configurable: true })
}
