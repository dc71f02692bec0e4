import { emptyReply } from '@concave/http'
import { operation } from '../operation.ts'

type Input = { readonly path: { readonly project_id: number } }

export const deleteProject = operation<Input>('delete project', async ({ projects }, { path, principal }) => {
  await projects.delete(principal, path.project_id)
  return emptyReply()
})
