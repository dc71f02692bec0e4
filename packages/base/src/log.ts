import { destination, pino } from 'pino'

/** Structured log of one room. Fields first, then a short English sentence; secrets are redacted by name. */
export interface Log {
  error(fields: object, message: string): void
  warn(fields: object, message: string): void
  info(fields: object, message: string): void
  debug(fields: object, message: string): void
  /** A log whose lines also say `room`. */
  child(fields: { readonly room: string } & Record<string, unknown>): Log
}

/** JSON lines on standard error, so that standard output stays free for what the operator asked to see. */
export function createLog(options: { readonly level: 'error' | 'warn' | 'info' | 'debug' | 'silent' }): Log {
  return pino(
    {
      level: options.level,
      base: null,
      redact: { paths: ['token', 'key', 'accessToken', 'adminKey', 'deployKey', 'authorization', 'args'], censor: '…' },
    },
    destination({ fd: 2, sync: true }),
  )
}
