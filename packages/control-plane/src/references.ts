/** References: stable, renameable handles of deployments inside a project (management-api §1.2). */
import { BadRequest } from '@concave/base'
import { deploymentNamePattern } from './deployment-names.ts'
import { controlPlaneLimits } from './limits.ts'

const reservedWords: ReadonlySet<string> = new Set([
  'prod',
  'dev',
  'cloud',
  'local',
  'default',
  'name',
  'new',
  'existing',
  'deployment',
  'preview',
])

/** Throws 400 `InvalidReference`. */
export function checkReference(reference: string): void {
  const problem = findProblem(reference)
  if (problem !== undefined) throw new BadRequest('InvalidReference', `The reference ${problem}.`)
}

function findProblem(reference: string): string | undefined {
  const { minReferenceLength, maxReferenceLength } = controlPlaneLimits
  if (reference.length < minReferenceLength || reference.length > maxReferenceLength) {
    return `must have ${minReferenceLength} to ${maxReferenceLength} characters`
  }
  if (!/^[a-z0-9/-]+$/.test(reference)) return 'may contain only lowercase letters, digits, `-` and `/`'
  if (deploymentNamePattern.test(reference)) return 'must not look like the name of a deployment'
  if (reference.startsWith('local-')) return 'must not start with `local-`'
  if (reservedWords.has(reference)) return `must not be the reserved word \`${reference}\``
  return undefined
}
