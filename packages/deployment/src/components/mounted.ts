/** Which components are mounted, and which hold data. */
import { BadRequest } from '@concave/base'
import { rootNamespace, type Catalog, type Transaction } from '@concave/database'
import { components } from '../records.ts'

/** For writes that begin outside of any mutation: throws unless the transaction's component is mounted. */
export async function requireMounted(tx: Transaction): Promise<void> {
  if (await isMounted(tx)) return
  throw new BadRequest(
    'ComponentUnmounted',
    'Cannot perform write operations in an unmounted component. Make sure your component is installed in your `convex.config.ts` file.',
  )
}

/** Whether the transaction's component is mounted. */
export async function isMounted(tx: Transaction): Promise<boolean> {
  return tx.namespace === rootNamespace || (await components.get(tx, tx.namespace))?.state === 'active'
}

/** Namespaces of the app and of every component that is mounted. */
export async function listMountedNamespaces(tx: Transaction): Promise<readonly string[]> {
  const rows = await components.list(tx)
  return [rootNamespace, ...rows.filter(({ state }) => state === 'active').map(({ _id }) => _id)]
}

/** Every namespace that has a table of that name, those of unmounted components too. */
export function listNamespaces(catalog: Catalog, tableName: string): readonly string[] {
  return Array.from(catalog.tables())
    .filter(({ name, state }) => name === tableName && state === 'active')
    .map(({ namespace }) => namespace)
}
