import { jsonReply } from '@concave/http'
import { operation } from '../operation.ts'
import { projectResponse } from '../responses.ts'

type Input = {
  readonly path: { readonly project_id: number }
  readonly body: { readonly name?: string | null; readonly slug?: string | null }
}

/** What is absent or null stays. */
export const updateProject = operation<Input>('update project', async ({ projects, store }, input) => {
  const { body, path, principal } = input
  const changes = { name: body.name ?? undefined, slug: body.slug ?? undefined }
  const project = await projects.update(principal, path.project_id, changes)
  return jsonReply(await store.read((tables) => projectResponse(tables, principal, project)))
})
