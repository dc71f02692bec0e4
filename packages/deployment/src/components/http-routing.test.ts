import type { AnalyzedModule } from '@concave/runtime'
import { expect, test } from 'vitest'
import { LoadedCode } from '../functions/loaded-code.ts'
import { emptyAppDefinition } from './component-definition.ts'
import { hasHttpActions, routeRequest } from './http-routing.ts'
import { LoadedApp, LoadedComponent } from './loaded-app.ts'

type Mounts = Readonly<Record<string, string>>

function open(options: {
  readonly id: string
  readonly parent?: LoadedComponent
  readonly routes?: readonly string[]
  readonly mounts?: Mounts
  readonly httpPrefix?: string
}): LoadedComponent {
  const { id, parent, routes, mounts = {}, httpPrefix } = options
  const httpRoutes = routes?.map((route) => {
    const [method = '', path = ''] = route.split(' ')
    return { method, path }
  })
  const module = { functions: [], reuseContext: false, httpRoutes, cronsText: undefined } as unknown as AnalyzedModule
  const code = new LoadedCode({
    bundle: { version: '1', modules: new Map(), importSeed: '00'.repeat(32), importTimeMs: 0 },
    serverVersion: '1.48.0',
    modules: routes === undefined ? new Map() : new Map([['http.js', module]]),
  })
  const httpMounts = Object.fromEntries(
    Object.entries(mounts).map(([path, child]) => [path, `_reference/childComponent/${child}`]),
  )
  const definition = { ...emptyAppDefinition, httpMounts, httpPrefix }
  return new LoadedComponent({ id, name: id, definition, code, parent })
}

function find(root: LoadedComponent, path: string, method = 'GET'): readonly unknown[] | undefined {
  const routed = routeRequest(root, method, path)
  return routed && [routed.component.id, routed.route.path, routed.path]
}

test('exact routes go first, then the longest of prefixes and mounts, with the prefix removed', () => {
  const mounts = { '/one/': 'one', '/one/b/': 'two' }
  const root = open({ id: '', routes: ['GET /', 'GET /one/exact', 'GET /*', 'POST /one/a'], mounts })
  const one = open({ id: 'one', parent: root, routes: ['GET /here', 'GET /p/*'], mounts: { '/in/': 'inner' } })
  open({ id: 'two', parent: root, routes: ['GET /'] })
  open({ id: 'inner', parent: one, routes: ['GET /deep', 'GET /*'] })
  expect(find(root, '/')).toEqual(['', '/', '/'])
  expect(find(root, '/one/exact')).toEqual(['', '/one/exact', '/one/exact'])
  expect(find(root, '/one/here')).toEqual(['one', '/here', '/here'])
  expect(find(root, '/one/here', 'HEAD')).toEqual(['one', '/here', '/here'])
  expect(find(root, '/one/p/q')).toEqual(['one', '/p/*', '/p/q'])
  expect(find(root, '/one/b/')).toEqual(['two', '/', '/'])
  expect(find(root, '/one/in/deep')).toEqual(['inner', '/deep', '/deep'])
  expect(find(root, '/one/in/x/y')).toEqual(['inner', '/*', '/x/y'])
  expect(find(root, '/other')).toEqual(['', '/*', '/other'])
  // A mount keeps what is below it, also what the component does not have.
  expect(find(root, '/one/none')).toBeUndefined()
  expect(find(root, '/one/a')).toBeUndefined()
  expect(find(root, '/one/a', 'POST')).toEqual(['', '/one/a', '/one/a'])
  expect(find(root, '/one')).toEqual(['', '/*', '/one'])
})

test("an app's prefix is that of its own routes, and mounts are absolute", () => {
  const root = open({ id: '', routes: ['GET /own', 'GET /*'], mounts: { '/one/': 'one' }, httpPrefix: '/api/' })
  open({ id: 'one', parent: root, routes: ['GET /here'] })
  expect(find(root, '/api/own')).toEqual(['', '/own', '/own'])
  expect(find(root, '/api/x')).toEqual(['', '/*', '/x'])
  expect(find(root, '/own')).toBeUndefined()
  expect(find(root, '/one/here')).toEqual(['one', '/here', '/here'])
  expect(find(root, '/api/one/here')).toEqual(['', '/*', '/one/here'])
})

test('an app without routes of its own may have components with some', () => {
  const root = open({ id: '', mounts: { '/one/': 'one' } })
  expect(hasHttpActions(new LoadedApp([root], new Uint8Array(32)))).toBe(false)
  const one = open({ id: 'one', parent: root, routes: ['GET /here'] })
  expect(hasHttpActions(new LoadedApp([root, one], new Uint8Array(32)))).toBe(true)
  expect(find(root, '/one/here')).toEqual(['one', '/here', '/here'])
  expect(find(root, '/here')).toBeUndefined()
})
