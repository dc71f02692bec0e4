import { BadRequest } from '@concave/base'
import type { HttpRequest } from '@concave/http'
import type { z } from 'zod'

/** The body as `schema` says, or 400 `BadJsonBody` naming the first field that is wrong. */
export async function readJson<Schema extends z.ZodType>(
  request: HttpRequest,
  schema: Schema,
  maxBytes: number,
): Promise<z.infer<Schema>> {
  const parsed = schema.safeParse(await request.json({ maxBytes }))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const where = issue === undefined || issue.path.length === 0 ? 'the body' : `"${issue.path.join('.')}"`
  throw new BadRequest(
    'BadJsonBody',
    `The request body is not as expected at ${where}: ${issue?.message ?? 'invalid'}.`,
  )
}
