/** What the CLI and the dashboard read of components, and which component a system function is meant for. */
import type { Transaction } from '@concave/database'
import type { Value } from '@concave/values'
import { z } from 'zod'
import { listMounted } from '../components/component-rows.ts'
import type { LoadedComponent } from '../components/loaded-app.ts'
import type { CodeRegistry } from '../functions/code-registry.ts'
import { FunctionError } from '../functions/function-error.ts'
import { define, object, type SystemFunction } from './system-function.ts'

export function componentFunctions(registry: CodeRegistry): readonly (readonly [name: string, run: SystemFunction])[] {
  return [['_system/frontend/components:list', define(z.looseObject({}), (tx) => listComponents(tx, registry))]]
}

async function listComponents(tx: Transaction, registry: CodeRegistry): Promise<Value> {
  const app = await registry.load(tx)
  const root = object({
    id: null,
    name: null,
    path: '',
    args: object({}),
    state: 'active',
    httpPrefix: app.root.definition.httpPrefix ?? null,
  })
  const mounted = (await listMounted(tx)).map(({ _id, name, path, state }) =>
    object({ id: _id, name, path, args: object({}), state, httpPrefix: prefixOf(app.findById(_id)) }),
  )
  return [root, ...mounted]
}

/** Path below the site that its HTTP actions answer; null if it has none, or is not mounted. */
function prefixOf(component: LoadedComponent | undefined): string | null {
  const path = component?.mountPath
  return path === undefined ? null : `${path}/`
}

const componentArgs = z.looseObject({ componentId: z.string().nullish() })

/**
 * The namespace of what a call names: by the argument `componentId`, else by the path that it was called on. Throws a
 * `FunctionError` if there is no such component.
 */
export async function findNamespace(tx: Transaction, args: unknown, componentPath: string): Promise<string> {
  const { componentId } = componentArgs.safeParse(args).data ?? {}
  if (typeof componentId !== 'string' && componentPath === '') return ''
  const found = (await listMounted(tx)).find(({ _id, path }) =>
    typeof componentId === 'string' ? _id === componentId : path === componentPath,
  )
  if (found !== undefined) return found._id
  throw new FunctionError(`There is no component ${componentId ?? `"${componentPath}"`} in this deployment.`)
}
