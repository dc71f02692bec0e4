import { createHash } from 'node:crypto'
import type { ExternalPackage } from './node-action.ts'

/** Name of a set of external packages; undefined for the empty one. `packages` are sorted by name. */
export function packageSetId(packages: readonly ExternalPackage[]): string | undefined {
  if (packages.length === 0) return undefined
  const list = packages.map(({ name, version }) => `${name}@${version}`).join('\n')
  return createHash('sha256').update(list).digest('hex').slice(0, 40)
}
