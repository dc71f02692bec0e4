/** The rules that a new or changed deployment of a project keeps: one default per type, unique references, expiry. */
import { BadRequest } from '@concave/base'
import { findDefault } from './deployment-selection.ts'
import { controlPlaneLimits } from './limits.ts'
import type { DeploymentRecord, DeploymentType } from './records.ts'
import { checkReference } from './references.ts'
import { firstFree, plainPart, slugify } from './slugs.ts'
import type { Reader, Writer } from './store.ts'

/** Throws 400 `InvalidDefaultDeployment` or `DefaultDeploymentExists`. `except`: the number of the one that is changed. */
export async function checkDefault(
  tables: Reader,
  wanted: {
    readonly projectId: number
    readonly type: DeploymentType
    readonly memberId: number
    readonly except?: number
  },
): Promise<void> {
  const { projectId, type, memberId, except } = wanted
  if (type !== 'dev' && type !== 'prod') {
    throw new BadRequest('InvalidDefaultDeployment', `A ${type} deployment cannot be a default deployment.`)
  }
  const existing = await findDefault(tables, projectId, type, memberId)
  if (existing === undefined || existing.id === except) return
  const whose = type === 'dev' ? 'You already have' : 'The project already has'
  throw new BadRequest(
    'DefaultDeploymentExists',
    `${whose} a default ${type} deployment, ${existing.name}. Give a reference, or pass isDefault: false.`,
  )
}

/** Throws 400 `InvalidReference` or `DuplicateReference`. */
export async function checkFreeReference(
  tables: Reader,
  projectId: number,
  reference: string,
  except?: number,
): Promise<void> {
  checkReference(reference)
  const holder = await tables.deployments.find('byProjectAndReference', [projectId, reference])
  if (holder === undefined || holder.id === except) return
  throw new BadRequest('DuplicateReference', `The project already has a deployment with the reference ${reference}.`)
}

/** The first free of the references that a deployment without a chosen one gets. `except` may have it already. */
export async function generateReference(
  tables: Reader,
  own: Pick<DeploymentRecord, 'projectId' | 'type' | 'name' | 'creator'> & {
    readonly previewIdentifier: string | null
  },
  except?: number,
): Promise<string> {
  const base = await baseReference(tables, own)
  return await firstFree(base, controlPlaneLimits.maxReferenceLength, async (reference) => {
    const holder = await tables.deployments.find('byProjectAndReference', [own.projectId, reference])
    return holder !== undefined && holder.id !== except
  })
}

async function baseReference(tables: Reader, own: Parameters<typeof generateReference>[1]): Promise<string> {
  switch (own.type) {
    case 'prod':
      return 'production'
    case 'custom':
      return `custom/${own.name}`
    case 'preview':
      return `preview/${plainPart(own.previewIdentifier ?? '') || own.name}`
    case 'dev': {
      const member = await tables.members.find('byNumber', [own.creator])
      return `dev/${slugify(member?.name ?? '', 'member')}`
    }
  }
}

/** Throws 400 `InvalidExpiration`. */
export function checkExpiry(expiresAt: number, nowMs: number): void {
  const { minExpiryMs, previewRetentionMs } = controlPlaneLimits
  if (expiresAt < nowMs + minExpiryMs) {
    throw new BadRequest('InvalidExpiration', 'expiresAt must be at least 30 minutes ahead.')
  }
  if (expiresAt > nowMs + previewRetentionMs) {
    const days = previewRetentionMs / 86_400_000
    throw new BadRequest('InvalidExpiration', `expiresAt must be at most ${days} days ahead.`)
  }
}

/** What makes a deployment end by itself, or not. */
export async function scheduleExpiry(tables: Writer, name: string, expiresAt: number | null): Promise<void> {
  const existing = await tables.expiries.find('byName', [name])
  if (existing !== undefined) await tables.expiries.remove(existing._id)
  if (expiresAt !== null) await tables.expiries.insert({ name, expiresAt })
}
