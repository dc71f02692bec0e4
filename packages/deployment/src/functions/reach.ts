/** Which functions a call may reach, and what it is told about the others. */
import { displayFunctionPath } from '@concave/protocol'
import type { FunctionCall } from '@concave/sync'
import { notFoundMessage } from './function-host.ts'

export const readOnlyMessage = 'You do not have permission to perform this operation.'

export function isAdmin(call: FunctionCall): boolean {
  return call.identity.kind === 'admin'
}

/** Whose functions and texts a call may see. */
export function audienceOf(call: FunctionCall): 'internal' | 'admin' | 'public' {
  if (call.isInternal === true) return 'internal'
  return isAdmin(call) ? 'admin' : 'public'
}

/** Internal functions, and those of components, are there for admins and for functions. */
export function isWithinReach(call: FunctionCall, found: { readonly isPublic: boolean }): boolean {
  return (found.isPublic && call.componentPath === '') || audienceOf(call) !== 'public'
}

/** The same text for functions that do not exist and for those that are out of reach. */
export function unreachableMessage(call: FunctionCall): string {
  return audienceOf(call) === 'public' ? publicNotFoundMessage(call) : notFoundMessage(call.path)
}

function publicNotFoundMessage({ path, componentPath }: Pick<FunctionCall, 'path' | 'componentPath'>): string {
  const where = componentPath === '' ? '' : ` in '${componentPath}'`
  return (
    `Could not find public function for '${displayFunctionPath(path)}'${where}. ` +
    'Did you forget to run `npx convex dev` or `npx convex deploy`?'
  )
}
