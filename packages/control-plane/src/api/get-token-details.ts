import { assert } from '@concave/base'
import { jsonReply } from '@concave/http'
import { shownActions } from '../keys.ts'
import { operation } from '../operation.ts'
import type { Principal } from '../principal.ts'
import type { Reader } from '../store.ts'

/** What kind of token the caller holds, and what it belongs to: how an integration learns its team. */
export const getTokenDetails = operation('get token details', async ({ store }, { principal }) => {
  const { id, name, createTime, expiresAt } = principal.token
  const details = await store.read((tables) => describe(tables, principal))
  return jsonReply({ id, name, createTime, ...details, ...(expiresAt === null ? {} : { expiresAt }) })
})

async function describe(tables: Reader, principal: Principal): Promise<object> {
  switch (principal.kind) {
    case 'personal':
      return { type: 'personalToken', memberId: principal.memberId }
    case 'team':
      return { type: 'teamToken', teamId: principal.teamId }
    case 'project': {
      const project = await tables.projects.find('byNumber', [principal.projectId])
      assert(project !== undefined, 'Project tokens end with their project.')
      return { type: 'projectToken', projectId: project.id, teamId: project.teamId }
    }
    case 'preview': {
      const project = await tables.projects.find('byNumber', [principal.projectId])
      assert(project !== undefined, 'Preview keys end with their project.')
      return { type: 'previewDeployKey', projectId: project.id, teamId: project.teamId }
    }
    case 'deployment': {
      const { deploymentName, token } = principal
      const deployment = await tables.deployments.find('byName', [deploymentName])
      assert(deployment !== undefined, 'Deploy keys end with their deployment.')
      const { projectId, teamId } = deployment
      return { type: 'deployKey', deploymentName, projectId, teamId, allowedActions: shownActions(token) }
    }
  }
}
