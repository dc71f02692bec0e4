import { jsonReply } from '@concave/http'
import { operation } from '../operation.ts'
import { projectResponse } from '../responses.ts'

type Input = { readonly path: { readonly project_id: number } }

export const getProject = operation<Input>('get project by id', async ({ projects, store }, { path, principal }) => {
  const project = await projects.get(principal, path.project_id)
  return jsonReply(await store.read((tables) => projectResponse(tables, principal, project)))
})
