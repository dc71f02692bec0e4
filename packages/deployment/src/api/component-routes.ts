/** What admins do with components and tables (sync-and-http.md §5.5). */
import { BadRequest } from '@concave/base'
import { type Database, deleteTable, type Transaction } from '@concave/database'
import { emptyReply, jsonReply, type RouteHandler, type Router } from '@concave/http'
import { z } from 'zod'
import { type Access, requireAction } from '../access.ts'
import { deleteComponent } from '../components/component-deletion.ts'
import { deploymentLimits } from '../limits.ts'
import { auditLog, components } from '../records.ts'
import { readJson } from './read-json.ts'

const componentSchema = z.object({ componentId: z.string() })
const tablesSchema = z.object({ tableNames: z.array(z.string()), componentId: z.string().nullish() })

export function addComponentRoutes(
  router: Router<RouteHandler>,
  deps: { readonly access: Access; readonly database: Database },
): void {
  const { access, database } = deps
  const maxBytes = deploymentLimits.maxCallBodyBytes

  router.add('POST', '/api/delete_component', async (request) => {
    requireAction(await access.requireAdmin(request.headers.authorization), 'deployment:data:write')
    await deleteComponent(database, (await readJson(request, componentSchema, maxBytes)).componentId)
    return emptyReply()
  })
  router.add('POST', '/api/delete_tables', async (request) => {
    requireAction(await access.requireAdmin(request.headers.authorization), 'deployment:data:write')
    const { tableNames, componentId } = await readJson(request, tablesSchema, maxBytes)
    await database.mutate('system:deleteTables', async (tx) => {
      await inComponent(tx, componentId, async () => {
        for (const name of new Set(tableNames)) await deleteTable(tx, name)
      })
      const metadata = JSON.stringify({ tableNames, componentId: componentId ?? null })
      await auditLog.insert(tx, { action: 'delete_tables', member_id: null, metadata })
    })
    return emptyReply()
  })
  router.add('GET', '/api/shapes2', async (request) => {
    requireAction(await access.requireAdmin(request.headers.authorization), 'deployment:data:view')
    const { value } = await database.read((tx) =>
      inComponent(tx, request.query.get('component'), async () => {
        const names = Array.from(tx.catalog.tables())
          .filter((table) => table.namespace === tx.namespace && !table.isSystem && table.state === 'active')
          .map(({ name }) => name)
        const shapes: [string, { readonly type: string }][] = []
        // Shapes are not kept: of a table that has documents nothing is known.
        for (const name of names.sort())
          shapes.push([name, { type: (await tx.count(name)) === 0 ? 'Never' : 'Unknown' }])
        return Object.fromEntries(shapes)
      }),
    )
    return jsonReply(value)
  })
}

/** `componentId`: of `_components`, or nothing for the app. */
async function inComponent<T>(
  tx: Transaction,
  componentId: string | null | undefined,
  run: () => Promise<T>,
): Promise<T> {
  if (componentId === null || componentId === undefined || componentId === '') return await run()
  const row = (await components.list(tx)).find(({ _id }) => _id === componentId)
  if (row === undefined) {
    throw new BadRequest('ComponentNotFound', `There is no component with the id ${componentId}.`)
  }
  return await tx.within(componentId, run)
}
