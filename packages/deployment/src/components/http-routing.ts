/** Which component's HTTP action serves a path (function-runtime.md §6.6). */
import { findRoute, httpModulePath, type HttpRoute } from '../functions/http-routes.ts'
import { findMountedChild } from './http-mounts.ts'
import type { LoadedApp, LoadedComponent } from './loaded-app.ts'

export type RoutedRequest = {
  readonly component: LoadedComponent
  readonly route: HttpRoute
  /** As the component's own router knows it: below where the component is mounted. */
  readonly path: string
}

/** Whether anything of the app answers requests. */
export function hasHttpActions({ components }: LoadedApp): boolean {
  return [...components].some(({ code }) => code.modules.get(httpModulePath)?.httpRoutes !== undefined)
}

/** `path`: what is left of it below where `component` is mounted, beginning with `/`. */
export function routeRequest(component: LoadedComponent, method: string, path: string): RoutedRequest | undefined {
  const { definition, code } = component
  const prefix = component.isApp ? (definition.httpPrefix ?? '/') : '/'
  const ownPath = removePrefix(path, prefix)
  const routes = code.modules.get(httpModulePath)?.httpRoutes ?? []
  const route = ownPath === undefined ? undefined : findRoute(routes, method, ownPath)
  const own = ownPath === undefined || route === undefined ? undefined : { component, route, path: ownPath }
  if (own !== undefined && own.route.path === ownPath) return own

  const mount = findMount(component, path)
  // `*` at the end of a prefix route, and `/` at the end of where the app's own routes begin.
  const ownLength = own === undefined ? -1 : prefix.length - 1 + own.route.path.length - 1
  if (mount === undefined || mount.prefix.length <= ownLength) return own
  return routeRequest(mount.child, method, removePrefix(path, mount.prefix) ?? '/')
}

/** The longest path that holds `path` and has a child mounted. */
function findMount(
  { definition, children }: LoadedComponent,
  path: string,
): { readonly prefix: string; readonly child: LoadedComponent } | undefined {
  let longest: { readonly prefix: string; readonly child: LoadedComponent } | undefined
  for (const [prefix, reference] of Object.entries(definition.httpMounts)) {
    const child = children.get(findMountedChild(reference) ?? '')
    if (child === undefined || !path.startsWith(prefix)) continue
    if (longest === undefined || prefix.length > longest.prefix.length) longest = { prefix, child }
  }
  return longest
}

/** `prefix` ends in `/`, which stays in front of the rest. */
function removePrefix(path: string, prefix: string): string | undefined {
  return path.startsWith(prefix) ? path.slice(prefix.length - 1) : undefined
}
