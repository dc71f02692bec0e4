/** Whose keys: each kind of key belongs to something, and is printed in the form that the command line knows it by. */
import { assert, NotFound } from '@concave/base'
import { getDeployment, getProject, getTeam } from './access.ts'
import type { NewAccessToken } from './access-tokens.ts'
import type { Principal } from './principal.ts'
import type { AccessTokenRecord } from './records.ts'
import type { Reader, Stored } from './store.ts'

/** Opened in the transaction that uses the keys. Throws 404 if the caller does not hold what they belong to. */
export type KeyOwner = {
  readonly open: (tables: Reader) => Promise<OpenKeys>
  /** Of error codes and messages. */
  readonly words: { readonly code: string; readonly noun: string }
}

export type OpenKeys = {
  /** What a new key of this owner is for. */
  readonly fields: Pick<NewAccessToken, 'kind' | 'memberId' | 'teamId' | 'projectId' | 'deploymentName'>
  /** The whole key, from its secret. */
  readonly format: (secret: string) => string
  /** Oldest first. */
  readonly list: () => Promise<readonly Stored<AccessTokenRecord>[]>
}

/** `dev:happy-otter-123|…`; `type` is that of now, which the secret does not depend on. */
export function formatDeployKey(deployment: { readonly type: string; readonly name: string }, secret: string): string {
  return `${deployment.type}:${deployment.name}|${secret}`
}

export function deployKeysOf(principal: Principal, deploymentName: string): KeyOwner {
  return {
    words: { code: 'DeployKey', noun: 'deploy key' },
    open: async (tables) => {
      const deployment = await getDeployment(tables, principal, deploymentName)
      return {
        fields: { kind: 'deploy', memberId: principal.memberId, deploymentName },
        format: (secret) => formatDeployKey(deployment, secret),
        list: async () => {
          const keys = await tables.accessTokens.list('byDeployment', [deploymentName])
          return keys.filter(({ kind }) => kind === 'deploy')
        },
      }
    },
  }
}

/** `preview:my-team:my-project|…`: the slugs are those of now; a rename does not break the key. */
export function previewKeysOf(principal: Principal, projectId: number): KeyOwner {
  return {
    words: { code: 'PreviewDeployKey', noun: 'preview deploy key' },
    open: async (tables) => {
      const project = await getProject(tables, principal, projectId)
      const team = await tables.teams.find('byNumber', [project.teamId])
      assert(team !== undefined, 'A project has a team.')
      return {
        fields: { kind: 'preview', memberId: principal.memberId, projectId },
        format: (secret) => `preview:${team.slug}:${project.slug}|${secret}`,
        list: async () => {
          const keys = await tables.accessTokens.list('byProject', [projectId])
          return keys.filter(({ kind }) => kind === 'preview')
        },
      }
    },
  }
}

/** The caller's own tokens of a team: those of other members are none of its business. */
export function teamTokensOf(principal: Principal, teamIdOrSlug: string): KeyOwner {
  const { memberId } = principal
  return {
    words: { code: 'AccessToken', noun: 'access token' },
    open: async (tables) => {
      const { id: teamId } = await getTeam(tables, principal, teamIdOrSlug)
      return {
        fields: { kind: 'team', memberId, teamId },
        format: (secret) => secret,
        list: async () => {
          const tokens = await tables.accessTokens.list('byMemberAndKind', [memberId, 'team'])
          return tokens.filter((token) => token.teamId === teamId)
        },
      }
    },
  }
}

export function personalTokensOf(memberId: number): KeyOwner {
  return {
    words: { code: 'AccessToken', noun: 'access token' },
    open: async (tables) => {
      const member = await tables.members.find('byNumber', [memberId])
      if (member === undefined) throw new NotFound('MemberNotFound', `There is no member ${memberId}.`)
      return {
        fields: { kind: 'personal', memberId },
        format: (secret) => secret,
        list: async () => await tables.accessTokens.list('byMemberAndKind', [memberId, 'personal']),
      }
    },
  }
}
