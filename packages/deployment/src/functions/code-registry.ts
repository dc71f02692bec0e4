/**
 * The code and the environment variables that are live at a transaction's snapshot. Both are rows, so a deploy or a
 * changed variable re-runs live queries by the same mechanism as any other write. They are read once per change, not
 * once per call: the registry follows the commits that touch their tables.
 */
import { createHash } from 'node:crypto'
import { assert, systemRandom } from '@concave/base'
import type { Database, Transaction } from '@concave/database'
import type { AnalyzedModule, CodeBundle, EnvBundle, NodeRequirements } from '@concave/runtime'
import type { Commit } from '@concave/storage'
import { loadAuthProviders } from '../auth/auth-configuration.ts'
import type { AuthProvider } from '../auth/auth-provider.ts'
import { type ComponentDefinition, emptyAppDefinition } from '../components/component-definition.ts'
import { LoadedApp, LoadedComponent } from '../components/loaded-app.ts'
import { loadMetaSecret } from '../meta-secret.ts'
import {
  componentDefinitions,
  components,
  environmentVariables,
  type ModuleRow,
  modules,
  udfConfig,
} from '../records.ts'
import { LoadedCode } from './loaded-code.ts'

const handleSecretKey = 'functions/handleSecret'

export class CodeRegistry {
  readonly #app: TableFollower<LoadedApp>
  readonly #environment: TableFollower<EnvBundle>
  readonly #authProviders: TableFollower<readonly AuthProvider[]>
  readonly #builtInVariables: Readonly<Record<string, string>>

  constructor(deps: { readonly database: Database; readonly builtInVariables: Readonly<Record<string, string>> }) {
    const { database, builtInVariables } = deps
    this.#app = new TableFollower(database, '_udf_config', async (tx) =>
      loadApp(tx, await loadMetaSecret(database.storage.meta, handleSecretKey, systemRandom)),
    )
    this.#environment = new TableFollower(database, '_environment_variables', (tx) =>
      loadEnvironment(tx, builtInVariables),
    )
    this.#authProviders = new TableFollower(database, '_auth', loadAuthProviders)
    this.#builtInVariables = builtInVariables
  }

  /** The app with its components as of `tx`; the transaction depends on it. */
  async load(tx: Transaction): Promise<LoadedApp> {
    dependOnTable(tx, '_udf_config')
    return await this.#app.at(tx)
  }

  /** The app's variables as of `tx`. Only who reads one depends on them: then call `dependOnEnvironment`. */
  async environment(tx: Transaction): Promise<EnvBundle> {
    return await this.#environment.at(tx)
  }

  /** What calls most likely find, without a transaction that depends on it. Undefined until something was loaded. */
  get latest(): { readonly app: LoadedApp; readonly env: EnvBundle } | undefined {
    const app = this.#app.latest
    const env = this.#environment.latest
    return app === undefined || env === undefined ? undefined : { app, env }
  }

  /** The variables as `tx` itself has written them; the transaction depends on them. */
  async writtenEnvironment(tx: Transaction): Promise<EnvBundle> {
    return await loadEnvironment(tx, this.#builtInVariables)
  }

  /** Who may issue tokens as of `tx`, which does not depend on it. */
  async authProviders(tx: Transaction): Promise<readonly AuthProvider[]> {
    return await this.#authProviders.at(tx)
  }

  dependOnEnvironment(tx: Transaction): void {
    dependOnTable(tx, '_environment_variables')
  }
}

/** A value derived from one table, kept until a commit touches that table. */
class TableFollower<T> {
  readonly #database: Database
  readonly #table: string
  readonly #load: (tx: Transaction) => Promise<T>
  /** By timestamp. */
  readonly #loading = new Map<bigint, Promise<T>>()
  #kept: { readonly value: T; readonly loadedAt: bigint } | undefined
  #lastChange = 0n

  constructor(database: Database, table: string, load: (tx: Transaction) => Promise<T>) {
    this.#database = database
    this.#table = table
    this.#load = load
    database.committer.onApplied((commit) => this.#follow(commit))
  }

  get latest(): T | undefined {
    return this.#kept?.value
  }

  async at(tx: Transaction): Promise<T> {
    const kept = this.#kept
    if (kept !== undefined && kept.loadedAt <= tx.beginTs && this.#lastChange <= kept.loadedAt) return kept.value
    // All that ask at once, as live queries do after a push, share one load.
    let loading = this.#loading.get(tx.beginTs)
    if (loading === undefined) {
      loading = this.#loadAt(tx).finally(() => this.#loading.delete(tx.beginTs))
      this.#loading.set(tx.beginTs, loading)
    }
    return await loading
  }

  async #loadAt({ kind, beginTs }: Transaction): Promise<T> {
    // A transaction of its own: what it reads is not what the caller depends on.
    const value = await this.#load(this.#database.begin(kind, { at: beginTs }))
    if (this.#lastChange <= beginTs && (this.#kept?.loadedAt ?? 0n) <= beginTs) {
      this.#kept = { value, loadedAt: beginTs }
    }
    return value
  }

  #follow(commit: Commit): void {
    const tablet = this.#database.catalog.findTable('', this.#table)?.tablet
    if (commit.documents.some((write) => write.tablet === tablet)) this.#lastChange = commit.ts
  }
}

/** Any change of the table counts. */
function dependOnTable(tx: Transaction, name: string): void {
  const byId = tx.catalog.findTable('', name)?.indexes[0]
  assert(byId !== undefined, `there is no system table ${name}`)
  tx.reads.addInterval(byId.index, new Uint8Array(0), undefined)
}

async function loadApp(tx: Transaction, handleSecret: Uint8Array): Promise<LoadedApp> {
  const [config] = await udfConfig.list(tx, { limit: 1 })
  const serverVersion = config?.serverVersion ?? null
  const rows = config === undefined ? [] : await modules.list(tx)
  const definitions = config === undefined ? [] : await componentDefinitions.list(tx)
  const mounted = config === undefined ? [] : await components.list(tx)
  const modulesByDefinition = Map.groupBy(rows, ({ definitionPath }) => definitionPath ?? '')
  const requirements = { nodeVersion: config?.nodeVersion, packages: config?.nodePackages ?? [] }
  const loadCode = (path: string, from: CodeVersion | undefined): LoadedCode =>
    toLoadedCode(serverVersion, requirements, from, modulesByDefinition.get(path) ?? [])
  const byPath = new Map(
    definitions.map((row) => [row.path, { code: loadCode(row.path, row), definition: parseDefinition(row) }]),
  )
  const root = new LoadedComponent({
    id: '',
    name: '',
    definition: config === undefined ? emptyAppDefinition : parseDefinition(config),
    code: loadCode('', config),
    parent: undefined,
  })
  const childrenOf = Map.groupBy(
    mounted.filter(({ state }) => state === 'active'),
    ({ parent }) => parent ?? '',
  )
  const found: [LoadedComponent, ...LoadedComponent[]] = [root]
  for (const parent of found) {
    for (const { _id: id, name, definitionPath } of childrenOf.get(parent.id) ?? []) {
      const definition = byPath.get(definitionPath)
      assert(definition !== undefined, `the component definition ${definitionPath} is not stored`)
      found.push(new LoadedComponent({ id, name, ...definition, parent }))
    }
  }
  return new LoadedApp(found, handleSecret)
}

type CodeVersion = {
  readonly codeVersion: string
  readonly importPhaseRngSeed: string
  readonly importPhaseUnixTimestampMs: number
}

function parseDefinition({ definition }: { readonly definition?: string | undefined }): ComponentDefinition {
  return definition === undefined ? emptyAppDefinition : (JSON.parse(definition) as ComponentDefinition)
}

function toLoadedCode(
  serverVersion: string | null,
  requirements: NodeRequirements,
  from: CodeVersion | undefined,
  rows: readonly ModuleRow[],
): LoadedCode {
  const bundleOf = (environment: ModuleRow['environment']): CodeBundle => ({
    version: from?.codeVersion ?? '',
    modules: new Map(
      rows
        .filter((row) => row.environment === environment)
        .map(({ path, preparedSource, preparedSourceMap, reuse }) => [
          path,
          { path, source: preparedSource, sourceMap: preparedSourceMap, reuse },
        ]),
    ),
    importSeed: from?.importPhaseRngSeed ?? '00'.repeat(32),
    importTimeMs: from?.importPhaseUnixTimestampMs ?? 0,
  })
  return new LoadedCode({
    bundle: bundleOf('isolate'),
    node: { bundle: bundleOf('node'), requirements },
    serverVersion,
    modules: new Map(rows.map((row) => [row.path, JSON.parse(row.analyzeResult) as AnalyzedModule])),
  })
}

async function loadEnvironment(tx: Transaction, builtIn: Readonly<Record<string, string>>): Promise<EnvBundle> {
  const rows = await environmentVariables.byIndex(tx, 'by_name', [])
  const variables = { ...builtIn, ...Object.fromEntries(rows.map(({ name, value }) => [name, value])) }
  return { version: createHash('sha256').update(JSON.stringify(variables)).digest('hex'), variables }
}
