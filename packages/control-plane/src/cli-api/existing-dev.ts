import { z } from 'zod'
import { cliRoute } from '../cli-route.ts'
import { findDefault } from '../deployment-selection.ts'

const body = z.object({ teamSlug: z.string(), projectSlug: z.string() })

/** Whether the caller already has a default dev deployment in a project. */
export const existingDev = cliRoute({
  method: 'POST',
  path: '/deployment/existing_dev',
  body,
  run: async ({ projects, store }, { body: { teamSlug, projectSlug }, principal }) => {
    const project = await projects.getBySlug(principal, { team: teamSlug, project: projectSlug })
    const dev = await store.read((tables) => findDefault(tables, project.id, 'dev', principal.memberId))
    return { kind: dev?.state === 'ready' ? 'Exists' : 'DoesNotExist' }
  },
})
