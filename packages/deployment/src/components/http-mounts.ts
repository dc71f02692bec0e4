/** Where components are mounted into the paths of HTTP actions, checked (function-runtime.md §6.6). */
import { pushError } from '../push/push-request.ts'
import type { ComponentDefinition } from './component-definition.ts'

const childReference = '_reference/childComponent/'

/** Throws the push's error for the first mount that cannot be. */
export function checkMounts(options: {
  /** For people. */
  readonly component: string
  readonly definition: ComponentDefinition
  /** Of the component's own `http.js`; prefixes end in `*`. */
  readonly routes: readonly { readonly path: string }[]
  /** Whether the child of that name answers requests; undefined if there is none. */
  readonly hasRoutes: (childName: string) => boolean | undefined
}): void {
  const { component, definition, routes } = options
  const ownPrefix = (definition.httpPrefix ?? '/').replace(/\/$/, '')
  const prefixes = routes.filter(({ path }) => path.endsWith('*')).map(({ path }) => `${ownPrefix}${path.slice(0, -1)}`)
  for (const [mount, reference] of Object.entries(definition.httpMounts)) {
    const refuse = (reason: string): Error =>
      pushError('TypecheckError', `Component ${component} cannot mount a component at "${mount}": ${reason}`)
    if (!mount.startsWith('/') || !mount.endsWith('/')) throw refuse('the path must begin and end with "/".')
    const childName = findMountedChild(reference)
    const hasRoutes = childName === undefined ? undefined : options.hasRoutes(childName)
    if (hasRoutes === undefined) throw refuse(`${reference} is no component that it uses.`)
    if (!hasRoutes) throw refuse(`the component "${childName}" has no http routes.`)
    const overlapping = prefixes.find((prefix) => mount.startsWith(prefix) || prefix.startsWith(mount))
    if (overlapping !== undefined) throw refuse(`it overlaps with the prefix route "${overlapping}".`)
  }
}

/** Name of the child that a mount's reference means. */
export function findMountedChild(reference: string): string | undefined {
  return reference.startsWith(childReference) ? reference.slice(childReference.length) : undefined
}
