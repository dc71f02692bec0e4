/** The code of a push as rows: modules and component definitions replace those of the push before. */
import type { Transaction } from '@concave/database'
import { componentDefinitions, type ModuleRow, modules } from '../records.ts'
import type { EvaluatedDefinition } from './push-evaluation.ts'

export type ModuleDiff = { readonly added: readonly string[]; readonly removed: readonly string[] }

/** What has changed, by definition path. */
export async function replaceModules(
  tx: Transaction,
  rows: readonly ModuleRow[],
): Promise<ReadonlyMap<string, ModuleDiff>> {
  const live = new Map((await modules.list(tx)).map((row) => [keyOf(row), row]))
  const diffs = new Map<string, { readonly added: string[]; readonly removed: string[] }>()
  const diffOf = ({ definitionPath = '' }: ModuleRow): { readonly added: string[]; readonly removed: string[] } => {
    const diff = diffs.get(definitionPath) ?? { added: [], removed: [] }
    diffs.set(definitionPath, diff)
    return diff
  }
  for (const row of rows) {
    const existing = live.get(keyOf(row))
    live.delete(keyOf(row))
    if (existing === undefined) await modules.insert(tx, row)
    else await modules.replace(tx, existing._id, row)
    if (existing?.sha256 !== row.sha256 && isShown(row)) diffOf(row).added.push(row.path)
  }
  for (const row of live.values()) {
    await modules.delete(tx, row._id)
    if (isShown(row)) diffOf(row).removed.push(row.path)
  }
  return diffs
}

/** `definitions` by path; the app's own is not among the rows. */
export async function replaceDefinitions(
  tx: Transaction,
  definitions: ReadonlyMap<string, EvaluatedDefinition>,
): Promise<void> {
  const live = new Map((await componentDefinitions.list(tx)).map((row) => [row.path, row]))
  for (const [path, { definition, codeVersion, importSeed, importTimeMs }] of definitions) {
    if (path === '') continue
    const row = {
      path,
      definition: JSON.stringify(definition),
      codeVersion,
      importPhaseRngSeed: importSeed,
      importPhaseUnixTimestampMs: importTimeMs,
    }
    const existing = live.get(path)
    live.delete(path)
    if (existing === undefined) await componentDefinitions.insert(tx, row)
    else await componentDefinitions.replace(tx, existing._id, row)
  }
  for (const row of live.values()) await componentDefinitions.delete(tx, row._id)
}

function keyOf({ definitionPath = '', path }: ModuleRow): string {
  return `${definitionPath}\n${path}`
}

function isShown({ path }: ModuleRow): boolean {
  return !path.startsWith('_deps/')
}
