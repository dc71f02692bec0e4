/** The mounted components as rows of `_components`: made by pushes, found by who names a component. */
import { createNamespace, deleteNamespace, type StoredRecord, type Transaction } from '@concave/database'
import { type ComponentRow, components } from '../records.ts'
import { type ComponentInstance, listComponents } from './component-tree.ts'

/** Ids of the tree's components by path, which are the namespaces of their tables; the app's is ''. */
export type ComponentIds = ReadonlyMap<string, string>

type StoredComponent = StoredRecord<ComponentRow>

export type ComponentChange = {
  readonly path: string
  readonly id: string
  readonly type: 'create' | 'modify' | 'unmount' | 'remount'
}

/** Those that exist already. */
export async function findComponents(tx: Transaction, tree: ComponentInstance): Promise<ComponentIds> {
  const rows = indexRows(await components.list(tx))
  return placeIds(tree, (parent, instance) => rows.get(keyOf(parent, instance.name))?._id)
}

/**
 * Makes a row and empty tables for every component that has none. They wait, unmounted and unseen, for the push to be
 * finished; the next push that mounts something there takes them over.
 */
export async function reserveComponents(
  tx: Transaction,
  tree: ComponentInstance,
): Promise<{ readonly ids: ComponentIds; readonly reserved: Readonly<Record<string, string>> }> {
  const rows = indexRows(await components.list(tx))
  const ids = new Map([['', '']])
  const reserved: Record<string, string> = {}
  for (const { path, name, definitionPath } of listComponents(tree)) {
    const parent = ids.get(parentPath(path)) ?? ''
    const existing = rows.get(keyOf(parent, name))
    const id =
      existing?._id ??
      (await components.insert(tx, {
        definitionPath,
        parent: parent === '' ? null : parent,
        name,
        state: 'unmounted',
        isReserved: true,
      }))
    ids.set(path, id)
    if (existing !== undefined && existing.isReserved !== true) continue
    await createNamespace(tx, id)
    reserved[path] = id
  }
  return { ids, reserved }
}

/** Mounts what `ids` holds, unmounts everything else and deletes what other pushes have reserved. Undefined if one of them has been deleted meanwhile. */
export async function mountComponents(
  tx: Transaction,
  tree: ComponentInstance,
  ids: ComponentIds,
): Promise<readonly ComponentChange[] | undefined> {
  const rows = new Map((await components.list(tx)).map((row) => [row._id, row]))
  const paths = componentPaths([...rows.values()])
  const changes: ComponentChange[] = []
  for (const { path, definitionPath } of listComponents(tree)) {
    const id = ids.get(path) ?? ''
    const row = rows.get(id)
    if (row === undefined) return undefined
    rows.delete(id)
    const type = row.isReserved === true ? 'create' : row.state === 'unmounted' ? 'remount' : 'modify'
    changes.push({ path, id, type })
    if (type !== 'modify' || row.definitionPath !== definitionPath) {
      await components.patch(tx, id, { state: 'active', definitionPath, isReserved: false })
    }
  }
  for (const { _id: id, state, isReserved } of rows.values()) {
    if (isReserved === true) await deleteComponentRow(tx, id)
    if (state !== 'active') continue
    await components.patch(tx, id, { state: 'unmounted' })
    changes.push({ path: paths.get(id) ?? '', id, type: 'unmount' })
  }
  return changes
}

/** Deletes a component with its tables; what is mounted below it is deleted by its own row. */
export async function deleteComponentRow(tx: Transaction, id: string): Promise<void> {
  await deleteNamespace(tx, id)
  await components.delete(tx, id)
}

export type ListedComponent = StoredComponent & { readonly path: string }

/** All that were ever mounted, by path. */
export async function listMounted(tx: Transaction): Promise<readonly ListedComponent[]> {
  const rows = await components.list(tx)
  const paths = componentPaths(rows)
  return rows
    .filter(({ isReserved }) => isReserved !== true)
    .map((row) => ({ ...row, path: paths.get(row._id) ?? '' }))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
}

function componentPaths(rows: readonly StoredComponent[]): ReadonlyMap<string, string> {
  const byId = new Map(rows.map((row) => [row._id, row]))
  const pathOf = ({ parent, name }: StoredComponent): string => {
    const above = parent === null ? undefined : byId.get(parent)
    return above === undefined ? name : `${pathOf(above)}/${name}`
  }
  return new Map(rows.map((row) => [row._id, pathOf(row)]))
}

function indexRows(rows: readonly StoredComponent[]): ReadonlyMap<string, StoredComponent> {
  return new Map(rows.map((row) => [keyOf(row.parent ?? '', row.name), row]))
}

/** Below a component that does not exist, nothing does. */
function placeIds(
  tree: ComponentInstance,
  find: (parentId: string, instance: ComponentInstance) => string | undefined,
): ComponentIds {
  const ids = new Map([['', '']])
  for (const instance of listComponents(tree)) {
    const parent = ids.get(parentPath(instance.path))
    const id = parent === undefined ? undefined : find(parent, instance)
    if (id !== undefined) ids.set(instance.path, id)
  }
  return ids
}

function parentPath(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
}

function keyOf(parent: string, name: string): string {
  return `${parent}/${name}`
}
