/** The routes of `http.js`, as the push's analysis lists them (function-runtime.md §1.8). */

export const httpModulePath = 'http.js'

export type HttpRoute = {
  readonly method: string
  /** Exact, or a prefix with `*` after it. */
  readonly path: string
}

/** The route that serves a request: the exact one, or the one with the longest prefix. HEAD is served as GET. */
export function findRoute(routes: readonly HttpRoute[], method: string, path: string): HttpRoute | undefined {
  const served = method === 'HEAD' ? 'GET' : method
  const candidates = routes.filter((route) => route.method === served)
  const exact = candidates.find((route) => route.path === path)
  if (exact !== undefined) return exact
  return candidates
    .filter((route) => route.path.endsWith('*') && path.startsWith(route.path.slice(0, -1)))
    .sort((a, b) => b.path.length - a.path.length)[0]
}
