/** `1.0/actions/vectorSearch` (function-runtime.md §2.7) on a deployment's database. */
import { type Database, isDeveloperError } from '@concave/database'
import { CatchableError } from '@concave/runtime'

/**
 * Answers the syscall with JSON text. Each search sees the newest durable commit, and nothing depends on it: an action
 * is no transaction. Errors of the developer can be caught by the action.
 */
export async function searchVectors(
  database: Database,
  args: Readonly<Record<string, unknown>>,
  options: { readonly namespace?: string } = {},
): Promise<string> {
  try {
    return JSON.stringify({ results: await database.vectorSearch(args['query'], options) })
  } catch (error) {
    if (isDeveloperError(error)) throw new CatchableError(error.message)
    throw error
  }
}
