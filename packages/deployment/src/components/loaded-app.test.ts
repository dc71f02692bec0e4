import { createHash } from 'node:crypto'
import type { AnalyzedModule } from '@concave/runtime'
import { decodeDocumentId, encodeDocumentId } from '@concave/values'
import { expect, test } from 'vitest'
import { LoadedCode } from '../functions/loaded-code.ts'
import { type ComponentDefinition, emptyAppDefinition } from './component-definition.ts'
import { LoadedApp, LoadedComponent } from './loaded-app.ts'

function codeOf(functions: Readonly<Record<string, 'public' | 'internal'>>): LoadedCode {
  const modules = new Map<string, AnalyzedModule>()
  for (const [path, kind] of Object.entries(functions)) {
    const [module = '', name = ''] = path.split(':')
    const analyzed = {
      name,
      pos: null,
      udfType: 'Query',
      visibility: { kind },
      args: '{"type":"any"}',
      returns: 'null',
    }
    const before = modules.get(module)?.functions ?? []
    const functionsOfModule = [...before, analyzed] as AnalyzedModule['functions']
    modules.set(module, {
      functions: functionsOfModule,
      reuseContext: false,
      httpRoutes: undefined,
      cronsText: undefined,
    })
  }
  const bundle = { version: '1', modules: new Map(), importSeed: '00'.repeat(32), importTimeMs: 0 }
  return new LoadedCode({ bundle, serverVersion: '1.48.0', modules })
}

function definition(fields: Partial<ComponentDefinition>): ComponentDefinition {
  return { ...emptyAppDefinition, ...fields }
}

const child = (name: string, env: ComponentDefinition['childComponents'][number]['env'] = []) => ({
  name,
  path: '../child',
  env,
})

function openApp(handleSecret = new Uint8Array(32)): LoadedApp {
  const root = new LoadedComponent({
    id: '',
    name: '',
    definition: definition({
      childComponents: [
        child('one', [
          ['KEY', { type: 'envVar', name: 'APP_KEY' }],
          ['MODE', { type: 'value', value: 'fast' }],
        ]),
        child('two'),
      ],
      httpMounts: { '/one/': '_reference/childComponent/one' },
    }),
    code: codeOf({ 'a.js:own': 'internal' }),
    parent: undefined,
  })
  const code = codeOf({ 'lib/m.js:shown': 'public', 'lib/m.js:hidden': 'internal' })
  const one = new LoadedComponent({
    id: 'k1',
    name: 'one',
    definition: definition({
      childComponents: [child('inner', [['TOKEN', { type: 'envVar', name: 'KEY' }]])],
      httpMounts: { '/in/': '_reference/childComponent/inner' },
    }),
    code,
    parent: root,
  })
  const inner = new LoadedComponent({ id: 'k3', name: 'inner', definition: definition({}), code, parent: one })
  const two = new LoadedComponent({ id: 'k2', name: 'two', definition: definition({}), code, parent: root })
  return new LoadedApp([root, one, two, inner], handleSecret)
}

test('components are found by path and by id', () => {
  const app = openApp()
  expect(app.find('one/inner')?.id).toBe('k3')
  expect(app.findById('k2')?.path).toBe('two')
  expect(app.find('inner')).toBeUndefined()
  expect([...app.components].map(({ path }) => path)).toEqual(['', 'one', 'two', 'one/inner'])
})

test('names mean functions of the caller, references those of its children that are public', () => {
  const app = openApp()
  const one = app.find('one') as LoadedComponent
  expect(app.resolve(one, { name: 'lib/m:hidden' })).toEqual({
    component: one,
    path: { module: 'lib/m.js', name: 'hidden' },
  })
  const shown = app.resolve(app.root, { reference: '_reference/childComponent/one/lib/m/shown' })
  expect(shown).toEqual({ component: one, path: { module: 'lib/m.js', name: 'shown' } })
  const refused: Readonly<Record<string, string>> = {
    '_reference/childComponent/one/lib/m/hidden': 'Component one does not export lib.m.hidden',
    '_reference/childComponent/one/lib/m/none': 'Component one does not export lib.m.none',
    '_reference/childComponent/none/lib/m/shown': 'Child component none not found',
    '_reference/childComponent/inner/lib/m/shown': 'Child component inner not found',
    '_reference/childComponent/one': 'Cannot execute a value resource',
    '_reference/function/a:own': "Couldn't resolve _reference/function/a:own",
  }
  for (const [reference, message] of Object.entries(refused)) {
    expect(() => app.resolve(app.root, { reference }), reference).toThrow(message)
  }
  expect(() => app.resolve(one, { reference: '_reference/childComponent/two/lib/m/shown' })).toThrow('not found')
  expect(() => app.resolveForAction('k9', { name: 'a:own' })).toThrow("Couldn't resolve a:own")
})

test('handles name functions from anywhere, internal ones too, and stay the same', () => {
  const app = openApp()
  const [one, two] = [app.find('one') as LoadedComponent, app.find('two') as LoadedComponent]
  const hidden = app.resolve(one, { name: 'lib/m:hidden' })
  const functionHandle = app.handleOf(hidden)
  expect(functionHandle).toMatch(/^function:\/\/[a-z0-9]{31,37}#lib\/m:hidden$/)
  expect(app.resolve(two, { functionHandle })).toEqual(hidden)
  expect(openApp().handleOf(hidden)).toBe(functionHandle)
  expect(app.handleOf({ ...hidden, component: two })).not.toBe(functionHandle)
  expect(() => app.resolve(two, { functionHandle: 'function://none#lib/m:hidden' })).toThrow(
    'Function handle not found',
  )
})

test('a handle of another deployment, or one that was made up, names nothing', () => {
  const app = openApp()
  const own = { component: app.root, path: { module: 'a.js', name: 'own' } }
  const two = app.find('two') as LoadedComponent
  const elsewhere = openApp(new Uint8Array(32).fill(1)).handleOf(own)
  const digest = createHash('sha256').update('["","a.js:own"]').digest().subarray(0, 16)
  const { tableNumber } = decodeDocumentId(/\/\/(.*)#/.exec(app.handleOf(own))?.[1] ?? '')
  const madeUp = `function://${encodeDocumentId(tableNumber, new Uint8Array(digest))}#a:own`
  for (const functionHandle of [elsewhere, madeUp]) {
    expect(() => app.resolve(two, { functionHandle })).toThrow('Function handle not found')
  }
})

test('components see the variables that they are given, and where they are', () => {
  const app = openApp()
  const ofApp = {
    version: 'v1',
    variables: { CONVEX_CLOUD_URL: 'https://c', CONVEX_SITE_URL: 'https://s', APP_KEY: 'x', OTHER: 'y' },
  }
  const seen = (path: string) => app.find(path)?.environment(ofApp)
  expect(seen('')).toBe(ofApp)
  const one = { CONVEX_CLOUD_URL: 'https://c', CONVEX_SITE_URL: 'https://s/one', KEY: 'x', MODE: 'fast' }
  expect(seen('one')?.variables).toEqual(one)
  expect(seen('one')).toBe(seen('one'))
  const inner = { CONVEX_CLOUD_URL: 'https://c', CONVEX_SITE_URL: 'https://s/one/in', TOKEN: 'x' }
  expect(seen('one/inner')?.variables).toEqual(inner)
  expect(seen('two')?.variables).toEqual({ CONVEX_CLOUD_URL: 'https://c', CONVEX_SITE_URL: 'https://s' })
  expect(new Set(['', 'one', 'two', 'one/inner'].map((path) => seen(path)?.version)).size).toBe(4)
  const without = { version: 'v2', variables: { CONVEX_CLOUD_URL: 'https://c', CONVEX_SITE_URL: 'https://s' } }
  expect(app.find('one')?.environment(without).variables['KEY']).toBeUndefined()
})
