/** What the operator may set, as one table: flags, help and documentation come from it. */
import { BadRequest } from '@concave/base'
import { z } from 'zod'

const port = z.coerce.number().int().min(0).max(65_535)

/** name → schema, default (undefined = none), one sentence. Flags are `--name VALUE`. */
export const serveOptions = {
  port: { schema: port, default: 8050, help: 'Port of the control plane.' },
  host: { schema: z.string().min(1), default: '127.0.0.1', help: 'Address to listen on, for everything.' },
  data: { schema: z.string().min(1), default: 'data', help: 'Directory that holds all data. Created if missing.' },
  'bootstrap-file': {
    schema: z.string().min(1).optional(),
    default: undefined,
    help: 'At the first start, also write {url, teamId, teamSlug, accessToken} to this file (mode 0600).',
  },
  'deployment-ports': {
    schema: z.string().regex(/^\d+-\d+$/, 'must look like 20000-29999'),
    default: '20000-29999',
    help: 'Range of ports that deployments listen on, two each. Keep it below 32768.',
  },
  'private-fetch': {
    schema: z.enum(['auto', 'allow', 'refuse']),
    default: 'auto',
    help: 'Whether actions may fetch from loopback, private and link-local addresses. `auto`: only if --host is loopback.',
  },
  'log-level': {
    schema: z.enum(['error', 'warn', 'info', 'debug', 'silent']),
    default: 'warn',
    help: 'What the server writes to standard error.',
  },
} as const

export type ServeConfig = {
  readonly port: number
  readonly host: string
  readonly dataDir: string
  readonly bootstrapFile: string | undefined
  readonly deploymentPorts: { readonly first: number; readonly last: number }
  readonly privateFetch: 'auto' | 'allow' | 'refuse'
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug' | 'silent'
}

/** Flags as parsed from the command line, by camel-cased name. Throws `InvalidOption`, naming the flag. */
export function parseServeConfig(flags: Readonly<Record<string, unknown>>): ServeConfig {
  const range = read('deployment-ports', flags).split('-').map(Number)
  const [first = 0, last = 0] = range
  if (first < 1 || last > 65_535 || last <= first) {
    throw new BadRequest('InvalidOption', `--deployment-ports ${range.join('-')} is not a range of ports.`)
  }
  return {
    port: read('port', flags),
    host: read('host', flags),
    dataDir: read('data', flags),
    bootstrapFile: read('bootstrap-file', flags),
    deploymentPorts: { first, last },
    privateFetch: read('private-fetch', flags),
    logLevel: read('log-level', flags),
  }
}

/** Whoever can reach the server could reach its neighbours through it: unless told otherwise only a local one allows that. */
export function allowsPrivateFetch({ host, privateFetch }: Pick<ServeConfig, 'host' | 'privateFetch'>): boolean {
  if (privateFetch !== 'auto') return privateFetch === 'allow'
  return host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host)
}

function read<Name extends keyof typeof serveOptions>(
  name: Name,
  flags: Readonly<Record<string, unknown>>,
): z.infer<(typeof serveOptions)[Name]['schema']> {
  return readOption(serveOptions, name, flags)
}

export type OptionTable = Readonly<
  Record<
    string,
    { readonly schema: z.ZodType; readonly default: unknown; readonly help: string; readonly isSecret?: boolean }
  >
>

/** One option of a table. `flags` are named as commander does, in camel case. Throws `InvalidOption`, naming the flag. */
export function readOption<Table extends OptionTable, Name extends keyof Table & string>(
  table: Table,
  name: Name,
  flags: Readonly<Record<string, unknown>>,
): z.infer<Table[Name]['schema']> {
  const { schema, default: fallback, isSecret } = table[name] as Table[Name]
  const flag = flags[name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())] ?? fallback
  const parsed = schema.safeParse(flag)
  if (!parsed.success) {
    const shown = isSecret === true ? '' : ` ${JSON.stringify(flag)}`
    throw new BadRequest('InvalidOption', `--${name}${shown}: ${parsed.error.issues[0]?.message ?? 'not valid'}`)
  }
  return parsed.data as z.infer<Table[Name]['schema']>
}
