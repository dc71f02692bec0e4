/**
 * Method and path template → handler. Templates are `/teams/{team_id}/projects`; a last segment `{path*}` takes the
 * rest. Literal segments win over parameters. Empty segments are skipped, so `//api/x` and `/api/x/` are `/api/x`.
 */
import { assert, BadRequest } from '@concave/base'
import { httpLimits } from './limits.ts'

export type RouteMatch<Handler> =
  | { readonly kind: 'found'; readonly handler: Handler; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: 'otherMethod'; readonly allowed: readonly string[] }
  | { readonly kind: 'unknown' }

type Node<Handler> = {
  readonly literals: Map<string, Node<Handler>>
  parameter: Node<Handler> | undefined
  readonly routes: Map<string, Route<Handler>>
  /** Routes whose template ends here with `{name*}`. */
  readonly rest: Map<string, Route<Handler>>
}

type Route<Handler> = { readonly names: readonly string[]; readonly handler: Handler }

export class Router<Handler> {
  readonly #root: Node<Handler> = createNode()

  /** Adding the same method and template shape twice is our bug. Returns itself for chaining. */
  add(method: string, template: string, handler: Handler): this {
    let node = this.#root
    const names: string[] = []
    const segments = splitPath(template)
    for (const [position, segment] of segments.entries()) {
      const name = /^\{(?<name>[^{}]+)\}$/.exec(segment)?.groups?.['name']
      if (name === undefined) {
        node = getOrCreate(node.literals, segment)
        continue
      }
      if (name.endsWith('*')) {
        assert(position === segments.length - 1, `Only the last segment may take the rest: ${template}`)
        assert(!node.rest.has(method), `Route added twice: ${method} ${template}`)
        node.rest.set(method, { names: [...names, name.slice(0, -1)], handler })
        return this
      }
      names.push(name)
      node.parameter ??= createNode()
      node = node.parameter
    }
    assert(!node.routes.has(method), `Route added twice: ${method} ${template}`)
    node.routes.set(method, { names, handler })
    return this
  }

  /** `path` is the raw path of the request without its query. Throws 400 `BadPathArgs` for broken percent escapes. */
  match(method: string, path: string): RouteMatch<Handler> {
    const segments = splitPath(path)
    if (segments.length > httpLimits.maxPathSegments) return { kind: 'unknown' }
    const allowed = new Set<string>()
    const found = this.#walk({ node: this.#root, segments, position: 0, values: [], method, allowed })
    if (found !== undefined) return found
    return allowed.size > 0 ? { kind: 'otherMethod', allowed: [...allowed].toSorted() } : { kind: 'unknown' }
  }

  #walk(step: {
    node: Node<Handler>
    segments: readonly string[]
    position: number
    values: readonly string[]
    method: string
    allowed: Set<string>
  }): Extract<RouteMatch<Handler>, { kind: 'found' }> | undefined {
    const { node, segments, position, values, method, allowed } = step
    const segment = segments[position]
    if (segment === undefined) {
      const route = pick(node.routes, method, allowed)
      return route && { kind: 'found', handler: route.handler, params: nameParams(route.names, values) }
    }
    const next = { segments, position: position + 1, method, allowed }
    const literal = node.literals.get(segment)
    const viaLiteral = literal && this.#walk({ ...next, node: literal, values })
    if (viaLiteral !== undefined) return viaLiteral
    const viaParameter =
      node.parameter && this.#walk({ ...next, node: node.parameter, values: [...values, decodeSegment(segment)] })
    if (viaParameter !== undefined) return viaParameter
    if (node.rest.size === 0) return undefined
    const route = pick(node.rest, method, allowed)
    if (route === undefined) return undefined
    const rest = segments.slice(position).map(decodeSegment).join('/')
    return { kind: 'found', handler: route.handler, params: nameParams(route.names, [...values, rest]) }
  }
}

function createNode<Handler>(): Node<Handler> {
  return { literals: new Map(), parameter: undefined, routes: new Map(), rest: new Map() }
}

function getOrCreate<Handler>(nodes: Map<string, Node<Handler>>, segment: string): Node<Handler> {
  const existing = nodes.get(segment)
  if (existing !== undefined) return existing
  const created = createNode<Handler>()
  nodes.set(segment, created)
  return created
}

/** HEAD is answered by the GET route where there is none of its own. */
function pick<Handler>(
  routes: ReadonlyMap<string, Route<Handler>>,
  method: string,
  allowed: Set<string>,
): Route<Handler> | undefined {
  const route = routes.get(method) ?? (method === 'HEAD' ? routes.get('GET') : undefined)
  if (route === undefined) for (const known of routes.keys()) allowed.add(known)
  return route
}

function splitPath(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '')
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch (error) {
    throw new BadRequest('BadPathArgs', `The path segment ${segment} is not properly percent-encoded.`, {
      cause: error,
    })
  }
}

function nameParams(names: readonly string[], values: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {}
  for (const [position, name] of names.entries()) {
    const value = values[position]
    assert(value !== undefined, 'A matched route has a value for every parameter.')
    params[name] = value
  }
  return params
}
