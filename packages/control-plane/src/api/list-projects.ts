import { jsonReply } from '@concave/http'
import { controlPlaneLimits } from '../limits.ts'
import { operation } from '../operation.ts'
import { numberPagination, parseNumberCursor, projectResponses } from '../responses.ts'

type Input = {
  readonly path: { readonly team_id: string }
  readonly query: { readonly cursor?: string; readonly limit?: number; readonly q?: string }
}

/** Pages, newest first. The cursor is the number of the last project shown. */
export const listProjects = operation<Input>('list projects', async ({ projects, store }, input) => {
  const { cursor, limit = controlPlaneLimits.defaultPageItems, q } = input.query
  const before = parseNumberCursor(cursor)
  const page = await projects.list(input.principal, input.path.team_id, { before, limit, search: q })
  const items = await store.read((tables) => projectResponses(tables, input.principal, page.projects))
  return jsonReply({ items, pagination: numberPagination(page.nextBefore) })
})
