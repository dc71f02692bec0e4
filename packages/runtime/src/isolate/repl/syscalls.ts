/** The way out of the isolate, as pushed code has it (function-runtime.md §0). */
declare const Convex: {
  readonly syscall: (operation: string, argsText: string) => string
  readonly asyncSyscall: (operation: string, argsText: string) => Promise<string>
}

export function syscall(operation: string, args: object): unknown {
  return JSON.parse(Convex.syscall(operation, JSON.stringify({ version: 'repl', ...args })))
}

export async function asyncSyscall(operation: string, args: object): Promise<unknown> {
  return JSON.parse(await Convex.asyncSyscall(operation, JSON.stringify({ version: 'repl', ...args })))
}
