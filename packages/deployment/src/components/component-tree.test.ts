import type { AnalyzedModule } from '@concave/runtime'
import { describe, expect, it } from 'vitest'
import type { ComponentDefinition } from './component-definition.ts'
import { buildComponentTree, checkComponentTree, type Definitions, listComponents } from './component-tree.ts'

type Child = ComponentDefinition['childComponents'][number]
type Sketch = {
  readonly uses?: readonly Child[]
  /** Env vars by name: JSON of a validator; a name that ends in `?` is optional. */
  readonly env?: Readonly<Record<string, object>>
  readonly mounts?: Readonly<Record<string, string>>
  readonly httpPrefix?: string
  readonly routes?: readonly string[]
}

function define(sketches: Readonly<Record<string, Sketch>>): Definitions {
  return new Map(
    Object.entries(sketches).map(([path, { uses = [], env = {}, mounts = {}, httpPrefix, routes }]) => {
      const definition: ComponentDefinition = {
        definitionType: { type: path === '' ? 'app' : 'childComponent' },
        childComponents: [...uses],
        httpMounts: mounts,
        httpPrefix,
        envVars: Object.entries(env).map(([name, validator]) => [
          name.replace('?', ''),
          { type: 'value', value: JSON.stringify(validator), ...(name.endsWith('?') ? { optional: true } : {}) },
        ]),
      }
      const http: AnalyzedModule = {
        functions: [],
        reuseContext: false,
        httpRoutes: routes?.map((route) => ({ path: route, method: 'GET' })),
        cronsText: undefined,
      }
      return [path, { definition, modules: new Map(routes === undefined ? [] : [['http.js', http]]) }] as const
    }),
  )
}

function check(sketches: Readonly<Record<string, Sketch>>): void {
  const definitions = define(sketches)
  checkComponentTree(buildComponentTree(definitions), definitions)
}

const use = (name: string, path: string, env: Child['env'] = null): Child => ({ name, path, env })
const string = { type: 'string' }
const literal = (value: string): object => ({ type: 'literal', value })
const union = (...value: readonly object[]): object => ({ type: 'union', value })

describe('the tree of components', () => {
  it('has an instance for every use, parents before children', () => {
    const tree = buildComponentTree(
      define({ '': { uses: [use('a', 'x'), use('b', 'x')] }, x: { uses: [use('c', 'y')] }, y: {} }),
    )
    expect(listComponents(tree).map(({ path, definitionPath }) => [path, definitionPath])).toEqual([
      ['a', 'x'],
      ['a/c', 'y'],
      ['b', 'x'],
      ['b/c', 'y'],
    ])
  })

  it('is not built without end from a few definitions', () => {
    const sketches: Record<string, Sketch> = { '': { uses: [use('a', 'd0')] }, d20: {} }
    for (let i = 0; i < 20; i += 1) sketches[`d${i}`] = { uses: [use('a', `d${i + 1}`), use('b', `d${i + 1}`)] }
    expect(() => buildComponentTree(define(sketches))).toThrow('An app has at most 500 components.')
  })

  it.each<[what: string, sketches: Record<string, Sketch>, text: string]>([
    ['two children of one name', { '': { uses: [use('a', 'x'), use('a', 'x')] }, x: {} }, 'uses two components as "a"'],
    ['a name that is no identifier', { '': { uses: [use('a/b', 'x')] }, x: {} }, 'Invalid component name "a/b"'],
    ['a definition that is not there', { '': { uses: [use('a', 'x')] } }, 'The component definition "x" is not part'],
  ])('refuses %s', (_what, sketches, text) => {
    expect(() => check(sketches)).toThrow(text)
    expect(() => check(sketches)).toThrow(expect.objectContaining({ code: 'TypecheckError' }) as Error)
  })
})

describe('environment variables of components', () => {
  const mount = (parent: Sketch['env'], child: Sketch['env'], env: Child['env']): Record<string, Sketch> => ({
    '': { ...(parent === undefined ? {} : { env: parent }), uses: [use('a', 'x', env)] },
    x: child === undefined ? {} : { env: child },
  })

  it.each<[what: string, sketches: Record<string, Sketch>]>([
    ['a literal that fits', mount({}, { A: literal('x') }, [['A', { type: 'value', value: 'x' }]])],
    ['none for an optional one', mount({}, { 'A?': string }, null)],
    ['one of the parent', mount({ B: literal('x') }, { A: string }, [['A', { type: 'envVar', name: 'B' }]])],
    [
      'an optional one for an optional one',
      mount({ 'B?': string }, { 'A?': string }, [['A', { type: 'envVar', name: 'B' }]]),
    ],
    [
      'one with fewer values',
      mount({ B: union(literal('x'), literal('y')) }, { A: union(literal('y'), literal('x'), literal('z')) }, [
        ['A', { type: 'envVar', name: 'B' }],
      ]),
    ],
  ])('can be %s', (_what, sketches) => {
    expect(() => check(sketches)).not.toThrow()
  })

  it.each<[what: string, sketches: Record<string, Sketch>, text: string]>([
    ['missing', mount({}, { A: string }, []), 'Component a is missing required env var A'],
    ['unknown', mount({}, {}, [['A', { type: 'value', value: 'x' }]]), 'it does not declare one of that name'],
    ['of other values', mount({}, { A: literal('x') }, [['A', { type: 'value', value: 'y' }]]), 'env var A: '],
    [
      'undeclared by the parent',
      mount({}, { A: string }, [['A', { type: 'envVar', name: 'B' }]]),
      'declares no env var B',
    ],
    [
      'optional in the parent only',
      mount({ 'B?': string }, { A: string }, [['A', { type: 'envVar', name: 'B' }]]),
      'it is required, and B of who mounts it is optional',
    ],
    [
      'wider in the parent',
      mount({ B: string }, { A: literal('x') }, [['A', { type: 'envVar', name: 'B' }]]),
      'it takes v.literal("x"), and B of who mounts it is v.string()',
    ],
    ['no text', mount({}, { A: { type: 'number' } }, []), 'The env var A is declared as v.float64()'],
  ])('cannot be %s', (_what, sketches, text) => {
    expect(() => check(sketches)).toThrow(text)
  })

  it('are those of the component that mounts, not of the app', () => {
    const env: Child['env'] = [['A', { type: 'envVar', name: 'B' }]]
    const sketches = {
      '': { env: { B: string }, uses: [use('a', 'x')] },
      x: { uses: [use('b', 'y', env)] },
      y: { env: { A: string } },
    }
    expect(() => check(sketches)).toThrow(
      'Component a/b cannot take the env var A: who mounts it declares no env var B',
    )
  })
})

describe('mounts of HTTP actions', () => {
  const mount = (app: Sketch, child: Sketch): Record<string, Sketch> => ({
    '': { uses: [use('a', 'x')], mounts: { '/a/': '_reference/childComponent/a' }, ...app },
    x: child,
  })

  it.each<[what: string, sketches: Record<string, Sketch>]>([
    ['beside exact routes', mount({ routes: ['/a/b', '/c'] }, { routes: ['/x'] })],
    ['beside other prefixes', mount({ routes: ['/b/*', '/a2/*'] }, { routes: ['/x'] })],
    [
      'beside a prefix that the app has below another one',
      mount({ routes: ['/a/*'], httpPrefix: '/api/' }, { routes: [] }),
    ],
  ])('are taken %s', (_what, sketches) => {
    expect(() => check(sketches)).not.toThrow()
  })

  it('are taken of a component that only mounts others', () => {
    const sketches = mount({}, { uses: [use('b', 'y')], mounts: { '/b/': '_reference/childComponent/b' } })
    expect(() => check({ ...sketches, y: { routes: ['/x'] } })).not.toThrow()
  })

  it.each<[what: string, sketches: Record<string, Sketch>, text: string]>([
    ['of a component without routes', mount({}, {}), 'the component "a" has no http routes'],
    [
      'of what is not used',
      mount({ uses: [] }, { routes: [] }),
      '_reference/childComponent/a is no component that it uses',
    ],
    ['below a prefix route', mount({ routes: ['/*'] }, { routes: [] }), 'overlaps with the prefix route "/"'],
    ['above a prefix route', mount({ routes: ['/a/b/*'] }, { routes: [] }), 'overlaps with the prefix route "/a/b/"'],
  ])('are refused %s', (_what, sketches, text) => {
    expect(() => check(sketches)).toThrow(text)
  })
})
