import { jsonReply } from '@concave/http'
import { operation } from '../operation.ts'
import { projectResponse } from '../responses.ts'

type Input = { readonly path: { readonly team_id_or_slug: string; readonly project_slug: string } }

export const getProjectBySlug = operation<Input>(
  'get project by slug',
  async ({ projects, store }, { path, principal }) => {
    const names = { team: path.team_id_or_slug, project: path.project_slug }
    const project = await projects.getPreviewedBySlug(principal, names)
    return jsonReply(await store.read((tables) => projectResponse(tables, principal, project)))
  },
)
