/** What the local backend can be told, as one table: flags, checks and help come from it. */
import { isIPv4 } from 'node:net'
import { BadRequest } from '@concave/base'
import { z } from 'zod'
import { readOption } from '../options.ts'
import { publicHost } from '../public-host.ts'

/** Name and secret that everybody knows: for a deployment that only this machine can reach. */
export const developmentName = 'carnitas'
export const developmentSecret = '4361726e697461732c206c69746572616c6c79206d65616e696e6720226c6974'

const port = z.coerce.number().int('must be a whole number').min(1, 'must be from 1').max(65_535, 'must be up to 65535')
const text = z.string().min(1, 'must not be empty')
const ignored = z.string().optional()
const origin = z
  .string()
  .refine((value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol), 'must be an http(s) URL')
  .refine(
    (value) => !URL.canParse(value) || new URL(value).pathname === '/',
    'must have no path: clients put theirs there',
  )
  .transform((value) => new URL(value).origin)
  .optional()

/** name → schema, default (undefined = none), one sentence. Flags are `--name VALUE`. */
export const localBackendOptions = {
  port: { schema: port, default: 3210, help: 'Port of the API.' },
  'site-proxy-port': { schema: port, default: 3211, help: 'Port of HTTP actions.' },
  interface: { schema: text, default: '127.0.0.1', help: 'Address to listen on.' },
  'instance-name': {
    schema: z.string().regex(/^[A-Za-z0-9._-]+$/, 'may hold letters, digits, dots, dashes and underscores only'),
    default: developmentName,
    help: 'Name of the deployment; admin keys begin with it.',
  },
  'instance-secret': {
    schema: z.string().regex(/^[0-9a-f]{64}$/i, 'must be 32 bytes, written as 64 hexadecimal digits'),
    default: developmentSecret,
    isSecret: true,
    help: 'What admin keys are made with. The default is public: only for an address that only this machine reaches.',
  },
  'convex-origin': { schema: origin, default: undefined, help: 'Where clients reach the API, if not at its port.' },
  'convex-site': {
    schema: origin,
    default: undefined,
    help: 'Where clients reach HTTP actions, if not at their port.',
  },
  'local-storage': {
    schema: text,
    default: 'convex_local_storage',
    help: 'Folder of stored files. Created if missing.',
  },
  'sentry-identifier': { schema: ignored, default: undefined, help: 'Taken, not used: no crash is reported anywhere.' },
  'beacon-tag': { schema: ignored, default: undefined, help: 'Taken, not used: nothing is reported anywhere.' },
  'beacon-fields': { schema: ignored, default: undefined, help: 'Taken, not used: nothing is reported anywhere.' },
  'control-plane-url': { schema: ignored, default: undefined, help: 'Taken, not used: only admin keys are accepted.' },
  'control-plane-access-token': { schema: ignored, default: undefined, help: 'Taken, not used, as the one before.' },
} as const

export const defaultDatabasePath = 'convex_local_backend.sqlite3'

export type Instance = { readonly name: string; readonly secret: string }

export type LocalBackendConfig = {
  readonly port: number
  readonly sitePort: number
  readonly host: string
  readonly instance: Instance
  /** Origins, without a trailing slash. */
  readonly url: string
  readonly siteUrl: string
  readonly databasePath: string
  readonly storageFolder: string
}

/** Flags as parsed from the command line, by camel-cased name. Throws `InvalidOption`, naming the flag. */
export function parseLocalBackendConfig(
  flags: Readonly<Record<string, unknown>>,
  databasePath: string,
): LocalBackendConfig {
  const port = read('port', flags)
  const sitePort = read('site-proxy-port', flags)
  const host = read('interface', flags)
  if (port === sitePort) {
    throw new BadRequest('InvalidOption', `--site-proxy-port ${sitePort}: must differ from --port`)
  }
  const instance = readInstance(flags)
  if (!isLoopback(host) && instance.secret.toLowerCase() === developmentSecret) {
    throw new BadRequest(
      'InsecureInstanceSecret',
      `Everybody knows the default --instance-secret, and others can reach --interface ${host}. ` +
        'Make one of your own: openssl rand -hex 32',
    )
  }
  if (databasePath === '') throw new BadRequest('InvalidOption', 'The path of the database is empty.')
  return {
    port,
    sitePort,
    host,
    instance,
    url: read('convex-origin', flags) ?? `http://${publicHost(host)}:${port}`,
    siteUrl: read('convex-site', flags) ?? `http://${publicHost(host)}:${sitePort}`,
    databasePath,
    storageFolder: read('local-storage', flags),
  }
}

/** Throws `InvalidOption`, naming the flag. */
export function readInstance(flags: Readonly<Record<string, unknown>>): Instance {
  return { name: read('instance-name', flags), secret: read('instance-secret', flags) }
}

function read<Name extends keyof typeof localBackendOptions>(
  name: Name,
  flags: Readonly<Record<string, unknown>>,
): z.infer<(typeof localBackendOptions)[Name]['schema']> {
  return readOption(localBackendOptions, name, flags)
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}
