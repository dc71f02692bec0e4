/** The deployment's own records: rows of system tables (database.md §10), typed. */
import { Collection } from '@concave/database'
import type { ExternalPackage, ReuseTier } from '@concave/runtime'
import type { AuthProvider } from './auth/auth-provider.ts'

/** The push that is live. One row. */
export type UdfConfig = {
  /** npm version of the CLI that pushed. */
  readonly serverVersion: string
  readonly codeVersion: string
  /** 32 bytes, hex. */
  readonly importPhaseRngSeed: string
  readonly importPhaseUnixTimestampMs: number
  /** JSON text of the app's `ComponentDefinition`. Absent in rows from before there were components. */
  readonly definition?: string
  /** Major version of Node that `convex.json` asks for; absent for the Node that serves. */
  readonly nodeVersion?: string
  /** External packages of Node actions, sorted by name; absent if there are none. */
  readonly nodePackages?: readonly ExternalPackage[]
}

/** A component definition of the push that is live; the app's own code and definition are not among them. */
export type ComponentDefinitionRow = {
  /** As in the push: relative to the functions folder, unique. */
  readonly path: string
  /** JSON text of a `ComponentDefinition`. */
  readonly definition: string
  readonly codeVersion: string
  /** 32 bytes, hex. */
  readonly importPhaseRngSeed: string
  readonly importPhaseUnixTimestampMs: number
}

/** One mounted component. Its `_id` is the namespace of its tables. The app itself has no row. */
export type ComponentRow = {
  readonly definitionPath: string
  /** `_id` of the component that mounts this one; null for the app. */
  readonly parent: string | null
  readonly name: string
  /** Data of an unmounted one stays until it is deleted; it comes back when something of that name is mounted there. */
  readonly state: 'active' | 'unmounted'
  /** Made by a push that has not been finished yet: it was never mounted, and nobody is shown it. */
  readonly isReserved?: boolean
}

export type ModuleRow = {
  /** '' for the app. Components that share a definition share its modules. Absent in rows from before components. */
  readonly definitionPath?: string
  readonly path: string
  readonly environment: 'isolate' | 'node'
  /** As pushed; what `sha256` is over, together with `sourceMap`. */
  readonly source: string
  readonly sourceMap?: string
  readonly sha256: string
  /** What is evaluated: `source` after the push-time rewrite. */
  readonly preparedSource: string
  readonly preparedSourceMap?: string
  readonly reuse: ReuseTier
  /** Why the module's contexts are not reused, for people. */
  readonly reuseReason?: string
  /** JSON text of an `AnalyzedModule`. */
  readonly analyzeResult: string
  /** Changes with every push. */
  readonly sourcePackageId: string
}

export type EnvironmentVariable = { readonly name: string; readonly value: string }

export type AuditRow = {
  readonly action: string
  readonly member_id: null
  /** JSON text. */
  readonly metadata: string
}

export const udfConfig = new Collection<UdfConfig>('_udf_config')
export const componentDefinitions = new Collection<ComponentDefinitionRow>('_component_definitions')
export const components = new Collection<ComponentRow>('_components')
export const modules = new Collection<ModuleRow>('_modules')
export const environmentVariables = new Collection<EnvironmentVariable>('_environment_variables')
/** `evaluatedWith`: version of the environment that `auth.config` was evaluated with. */
export type AuthProviderRow = AuthProvider & { readonly evaluatedWith: string }

/** In the order of `auth.config`. */
export const authProviders = new Collection<AuthProviderRow>('_auth')
/** A key of `ctx.auth.signJwt`. Never shown: the table is private. */
export type SigningKeyRow = { readonly keyId: string; /** PKCS #8, PEM. */ readonly privateKey: string }

export const signingKeys = new Collection<SigningKeyRow>('_signing_keys')
export const auditLog = new Collection<AuditRow>('_deployment_audit_log')
