/**
 * The auth providers that are live: rows of `_auth`. A push replaces them; a changed environment variable evaluates the
 * live `auth.config` again, because it may name the variable (sync-and-http.md §7.1).
 */
import type { Database, Transaction } from '@concave/database'
import type { Analyzer } from '@concave/runtime'
import type { CodeRegistry } from '../functions/code-registry.ts'
import { authProviders } from '../records.ts'
import { type AuthProvider, isCustomJwt, parseAuthConfig } from './auth-provider.ts'

/** Providers as JSON text, as `finish_push` tells them. */
export type AuthDiff = { readonly added: readonly string[]; readonly removed: readonly string[] }

export class AuthConfiguration {
  readonly #registry: CodeRegistry
  readonly #analyzer: Pick<Analyzer, 'evaluateAuthConfig'>

  constructor(deps: { readonly registry: CodeRegistry; readonly analyzer: Pick<Analyzer, 'evaluateAuthConfig'> }) {
    this.#registry = deps.registry
    this.#analyzer = deps.analyzer
  }

  /**
   * With the environment variables that `tx` has written. Throws 400 `AuthConfigMissingEnvironmentVariable` when the
   * configuration needs one that is not there any more.
   */
  async reevaluate(tx: Transaction): Promise<void> {
    const { bundle } = (await this.#registry.load(tx)).root.code
    const env = await this.#registry.writtenEnvironment(tx)
    const text = await this.#analyzer.evaluateAuthConfig({ code: bundle, env })
    await replaceAuthProviders(tx, parseAuthConfig(text), env.version)
  }

  /** For a deployment that was opened at other URLs than before: they are variables, too, that nobody has changed. */
  async catchUp(database: Database): Promise<void> {
    const isStale = async (tx: Transaction): Promise<boolean> => {
      const [row] = await authProviders.list(tx, { limit: 1 })
      return row !== undefined && row.evaluatedWith !== (await this.#registry.writtenEnvironment(tx)).version
    }
    const { value } = await database.read(isStale)
    if (value) await database.mutate('system:reevaluate_auth_config', (tx) => this.reevaluate(tx))
  }
}

export async function replaceAuthProviders(
  tx: Transaction,
  next: readonly AuthProvider[],
  envVersion: string,
): Promise<AuthDiff> {
  const rows = await authProviders.list(tx)
  const before = rows.map((row) => JSON.stringify(toProvider(row)))
  const after = next.map((provider) => JSON.stringify(toProvider(provider)))
  const diff = {
    added: after.filter((provider) => !before.includes(provider)),
    removed: before.filter((provider) => !after.includes(provider)),
  }
  // Order counts: the first match is used.
  if (before.join() === after.join() && rows.every((row) => row.evaluatedWith === envVersion)) return diff
  for (const { _id } of rows) await authProviders.delete(tx, _id)
  for (const provider of next) await authProviders.insert(tx, { ...provider, evaluatedWith: envVersion })
  return diff
}

export async function loadAuthProviders(tx: Transaction): Promise<readonly AuthProvider[]> {
  return (await authProviders.list(tx)).map(toProvider)
}

/** Without the fields of the row; members in one order, so that equal providers have equal texts. */
function toProvider(row: AuthProvider): AuthProvider {
  if (!isCustomJwt(row)) return { applicationID: row.applicationID, domain: row.domain }
  const { type, applicationID, issuer, jwks, algorithm } = row
  return { type, applicationID, issuer, jwks, algorithm }
}
