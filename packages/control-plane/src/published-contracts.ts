/** The published interface descriptions, where this checkout has them beside it, as judges for tests. */
import { existsSync, readFileSync } from 'node:fs'
import type { ContractDocument } from '@concave/http'

const folder = new URL('../../../../shared/openapi/', import.meta.url)

export type PublishedContract = ContractDocument & {
  readonly components: { readonly schemas: Readonly<Record<string, object>> }
}

/** Undefined if the file is not there; the name of the skipped test says so. */
export function findPublishedContract(name: 'management-seed' | 'management'): PublishedContract | undefined {
  const file = new URL(`${name}.json`, folder)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as PublishedContract) : undefined
}
