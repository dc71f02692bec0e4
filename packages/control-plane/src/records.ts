/**
 * The records of the control plane: documents in the control plane's own database. Fields that may be missing are
 * `null`. `id` is our own number: sequential from a durable counter, never reused, small enough for JSON.
 */

export type CounterRecord = { readonly name: CounterName; readonly last: number }
export type CounterName = 'member' | 'team' | 'project' | 'deployment' | 'accessToken' | 'localDeployment'

export type MemberRecord = {
  readonly id: number
  readonly name: string
  readonly email: string | null
  readonly createTime: number
}

export type TeamRecord = {
  readonly id: number
  readonly name: string
  readonly slug: string
  readonly creator: number
  readonly createTime: number
}

export type TeamMemberRecord = {
  readonly teamId: number
  readonly memberId: number
  readonly role: 'admin' | 'developer'
}

export type ProjectRecord = {
  readonly id: number
  readonly teamId: number
  readonly name: string
  /** Unique in the team; free again when the project is deleted. */
  readonly slug: string
  readonly creator: number
  readonly createTime: number
}

export type DeploymentType = 'dev' | 'prod' | 'preview' | 'custom'

export type DeploymentRecord = {
  readonly id: number
  /** Never changes, unique, also against names whose removal is pending. */
  readonly name: string
  readonly projectId: number
  readonly teamId: number
  readonly type: DeploymentType
  /** Unique in the project. */
  readonly reference: string
  /** At most one default prod per project, one default dev per project and creator. */
  readonly isDefault: boolean
  readonly creator: number
  readonly createTime: number
  /** `creating`: the provisioner has been asked but has not answered; invisible to the API. */
  readonly state: 'creating' | 'ready'
  // Absent from records of early versions, like null.
  /** What a preview is of, normally a branch. Several only while a preview replaces another; the newest counts. */
  readonly previewIdentifier?: string | null
  /** When it is deleted by itself. `expiries` says the same by time. */
  readonly expiresAt?: number | null
  readonly dashboardEditConfirmation?: boolean | null
  /** Whether clients see logs and error texts; null as its type has it. */
  readonly sendLogsToClient?: boolean | null
  /** When code was last pushed. */
  readonly lastDeployTime?: number | null
}

/** A deployment that ends by itself; written and removed with the deployment's `expiresAt`. */
export type ExpiryRecord = { readonly name: string; readonly expiresAt: number }

/** What new deployments of a type start with. One value per project, type and name. */
export type DefaultVariableRecord = {
  readonly projectId: number
  readonly deploymentType: DeploymentType
  readonly name: string
  readonly value: string
}

/** A creation that its client marked with an `Idempotency-Key`, written with what was created. */
export type CreationRecord = {
  readonly tokenId: number
  readonly key: string
  readonly operation: string
  /** Digest of path and body: the same key must ask for the same. */
  readonly requestHash: string
  /** Number of what was created, in the table that the operation fills. */
  readonly createdId: number
  readonly createTime: number
}

/** A backend on a developer's own machine that announced itself. */
export type LocalDeploymentRecord = {
  readonly id: number
  /** Starts with `local-`. */
  readonly name: string
  readonly projectId: number
  readonly teamId: number
  readonly creator: number
  readonly deviceName: string
  readonly port: number
  readonly createTime: number
  /** When it last said that it runs; null once it has said that it stops. */
  readonly activeTime: number | null
}

/** A deployment that is gone for the API and whose folder must still go. Written with the deletion, removed after it. */
export type RemovalRecord = { readonly name: string; readonly createTime: number }

/**
 * `personal`: a member everywhere; `team`, `project`: that team or project on behalf of its creator; `preview`:
 * the previews of one project, on its own behalf; `deploy`: one deployment, on its own behalf; `session`: one deployment,
 * minted for the holder of `parentId` and gone with it.
 */
export type AccessTokenKind = 'personal' | 'team' | 'project' | 'preview' | 'deploy' | 'session'

export type AccessTokenRecord = {
  readonly id: number
  readonly kind: AccessTokenKind
  /** Peppered HMAC of the secret, hex. */
  readonly hash: string
  /** Last characters of the secret, to recognise a key by. */
  readonly hint: string
  readonly name: string
  readonly memberId: number
  readonly teamId: number | null
  readonly projectId: number | null
  readonly deploymentName: string | null
  /** `all` is stored as such: an empty list must never come to mean everything by accident. */
  readonly allowedActions: 'all' | readonly string[]
  readonly parentId: number | null
  readonly createTime: number
  readonly lastUsedTime: number | null
  readonly expiresAt: number | null
}

/** One-time link by which a person takes over what the first start created. */
export type ClaimLinkRecord = {
  readonly hash: string
  readonly teamId: number
  readonly memberId: number
  readonly createTime: number
  readonly expiresAt: number
}

export type Records = {
  readonly counters: CounterRecord
  readonly members: MemberRecord
  readonly teams: TeamRecord
  readonly teamMembers: TeamMemberRecord
  readonly projects: ProjectRecord
  readonly deployments: DeploymentRecord
  readonly removals: RemovalRecord
  readonly accessTokens: AccessTokenRecord
  readonly claimLinks: ClaimLinkRecord
  readonly expiries: ExpiryRecord
  readonly defaultVariables: DefaultVariableRecord
  readonly creations: CreationRecord
  readonly localDeployments: LocalDeploymentRecord
}

export type TableName = keyof Records

/** Index name → fields, per table. Equal keys are ordered by creation. */
export const tableIndexes = {
  counters: { byName: ['name'] },
  members: { byNumber: ['id'] },
  teams: { byNumber: ['id'], bySlug: ['slug'] },
  teamMembers: { byTeamAndMember: ['teamId', 'memberId'], byMember: ['memberId'] },
  projects: { byNumber: ['id'], byTeamAndNumber: ['teamId', 'id'], byTeamAndSlug: ['teamId', 'slug'] },
  deployments: {
    byName: ['name'],
    byState: ['state'],
    byProject: ['projectId', 'id'],
    byProjectAndReference: ['projectId', 'reference'],
    byProjectAndPreview: ['projectId', 'previewIdentifier', 'id'],
    byTeam: ['teamId', 'id'],
  },
  removals: { byName: ['name'] },
  accessTokens: {
    byHash: ['hash'],
    byNumber: ['id'],
    byDeployment: ['deploymentName', 'id'],
    byProject: ['projectId', 'id'],
    byParent: ['parentId', 'id'],
    byMemberAndKind: ['memberId', 'kind', 'id'],
  },
  claimLinks: { byHash: ['hash'] },
  expiries: { byTime: ['expiresAt'], byName: ['name'] },
  defaultVariables: { byProject: ['projectId', 'name', 'deploymentType'] },
  creations: { byKey: ['tokenId', 'key'], byTime: ['createTime'] },
  localDeployments: {
    byName: ['name'],
    byTeam: ['teamId', 'id'],
    byProjectAndCreator: ['projectId', 'creator', 'id'],
  },
} as const satisfies { [T in TableName]: Readonly<Record<string, readonly (keyof Records[T])[]>> }

export type IndexName<T extends TableName> = keyof (typeof tableIndexes)[T] & string
