import { BadRequest } from '@concave/base'
import type { HttpRequest } from '@concave/http'
import type { z } from 'zod'

/** The body as `schema` says, or 400 `BadJsonBody` naming the first field that is wrong. */
export async function readJson<Schema extends z.ZodType>(
  request: HttpRequest,
  schema: Schema,
  maxBytes: number,
): Promise<z.infer<Schema>> {
  return checkBody(await request.json({ maxBytes }), schema)
}

/** The same for a body that has been parsed already. */
export function checkBody<Schema extends z.ZodType>(json: unknown, schema: Schema): z.infer<Schema> {
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const where = issue === undefined || issue.path.length === 0 ? 'the body' : `"${issue.path.join('.')}"`
  throw new BadRequest(
    'BadJsonBody',
    `The request body is not as expected at ${where}: ${issue?.message ?? 'invalid'}.`,
  )
}
