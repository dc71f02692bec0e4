import { createLog } from '@concave/base'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Analyzer, type AnalyzeRequest } from './analyzer.ts'
import type { CodeBundle, ModuleSource } from './execution.ts'
import { RunnerPool } from './runner-pool.ts'
import { bundledCode, emptyEnv } from './testing/sample-code.ts'

const log = createLog({ level: 'error' })
let pool: RunnerPool
let analyzer: Analyzer

beforeAll(async () => {
  pool = await RunnerPool.start({ log })
  analyzer = new Analyzer({ pool, log })
})

afterAll(() => pool.close())

async function moduleOf(path: string, source: string): Promise<ModuleSource> {
  const [bundled] = (await bundledCode(source)).modules.values()
  return { ...(bundled as ModuleSource), path }
}

async function requestOf(
  modules: Readonly<Record<string, string>>,
  options: Partial<Omit<AnalyzeRequest, 'code'>> = {},
): Promise<AnalyzeRequest> {
  const sources = await Promise.all(Object.entries(modules).map(([path, source]) => moduleOf(path, source)))
  const code: CodeBundle = {
    version: JSON.stringify(modules),
    importSeed: '00'.repeat(32),
    importTimeMs: 1_700_000_000_000,
    modules: new Map(sources.map((source) => [source.path, source])),
  }
  return { code, env: emptyEnv, schema: undefined, definition: undefined, ...options }
}

test('lists functions with their kinds, visibilities and validators', async () => {
  const request = await requestOf({
    'messages.js': `
      import { queryGeneric, mutationGeneric, internalActionGeneric } from 'convex/server'
      import { v } from 'convex/values'
      export const list = queryGeneric({ args: { n: v.number() }, returns: v.null(), handler: () => null })
      export const send = mutationGeneric(() => null)
      export const inner = internalActionGeneric({ args: {}, handler: () => null })
      export const constant = 5
      export const helper = () => 1`,
    '_deps/chunk.js': 'export const x = 1',
  })
  const { modules } = await analyzer.analyze(request)
  expect([...modules.keys()]).toEqual(['messages.js'])
  expect(modules.get('messages.js')?.functions).toEqual(
    expect.arrayContaining([
      {
        name: 'list',
        // The bundle's source is `app.ts`.
        pos: null,
        udfType: 'Query',
        visibility: { kind: 'public' },
        args: '{"type":"object","value":{"n":{"fieldType":{"type":"number"},"optional":false}}}',
        returns: '{"type":"null"}',
      },
      expect.objectContaining({ name: 'send', udfType: 'Mutation', args: '{"type":"any"}', returns: 'null' }),
      expect.objectContaining({ name: 'inner', udfType: 'Action', visibility: { kind: 'internal' } }),
    ]),
  )
  expect(modules.get('messages.js')?.functions).toHaveLength(3)
})

test('reads routes, crons, schema, definition and auth config', async () => {
  const request = await requestOf(
    {
      'http.js': `
        import { httpRouter, httpActionGeneric } from 'convex/server'
        const http = httpRouter()
        const handler = httpActionGeneric(async () => new Response())
        http.route({ pathPrefix: '/files/', method: 'GET', handler })
        http.route({ path: '/hook', method: 'POST', handler })
        export default http`,
      'crons.js': `
        import { cronJobs, makeFunctionReference } from 'convex/server'
        const crons = cronJobs()
        crons.interval('tidy up', { minutes: 5 }, makeFunctionReference('jobs:tidy'), {})
        export default crons`,
      'auth.config.js': `export default { providers: [{ domain: process.env.DOMAIN, applicationID: 'convex' }] }`,
    },
    {
      env: { version: 'with domain', variables: { DOMAIN: 'https://id.example' } },
      schema: await moduleOf(
        'schema.js',
        `import { defineSchema, defineTable } from 'convex/server'
         import { v } from 'convex/values'
         export default defineSchema({ users: defineTable({ name: v.string() }).index('by_name', ['name']) })`,
      ),
      definition: await moduleOf(
        'convex.config.js',
        `import { defineApp } from 'convex/server'\nexport default defineApp()`,
      ),
    },
  )
  const outcome = await analyzer.analyze(request)
  expect(outcome.modules.get('http.js')?.httpRoutes).toEqual([
    { path: '/hook', method: 'POST' },
    { path: '/files/*', method: 'GET' },
  ])
  expect(JSON.parse(outcome.modules.get('crons.js')?.cronsText ?? '')).toMatchObject({
    'tidy up': { name: 'jobs:tidy' },
  })
  expect(JSON.parse(outcome.schemaText ?? '')).toMatchObject({
    tables: [{ tableName: 'users', indexes: [{ indexDescriptor: 'by_name', fields: ['name'] }] }],
    schemaValidation: true,
  })
  expect(JSON.parse(outcome.definitionText ?? '')).toMatchObject({ definitionType: { type: 'app' } })
  expect(JSON.parse(outcome.authConfigText ?? '')).toEqual({
    providers: [{ domain: 'https://id.example', applicationID: 'convex' }],
  })
})

const refusals: Readonly<Record<string, { modules: Readonly<Record<string, string>>; code: string; says: RegExp }>> = {
  'a module that throws': {
    modules: { 'a.js': `console.log('before')\nthrow new TypeError('bad day')` },
    code: 'InvalidModules',
    says: /^Failed to analyze a\.js: Uncaught TypeError: bad day\n(.*\n)*\[LOG\] 'before'$/,
  },
  'a module that never ends': {
    modules: { 'a.js': 'for (;;) {}' },
    code: 'InvalidModules',
    says: /^Failed to analyze a\.js: Function execution timed out \(maximum duration: 4s\)$/,
  },
  'a syntax of arguments that is no object': {
    modules: {
      'a.js': `export const f = Object.assign(() => 1, { isQuery: true, isPublic: true, exportArgs: () => '{"type":"string"}', exportReturns: () => 'null' })`,
    },
    code: 'InvalidModules',
    says: /^Failed to analyze a\.js: /,
  },
  'an http.js without a router': {
    modules: { 'http.js': 'export default {}' },
    code: 'InvalidModules',
    says: /The default export of `convex\/http\.js` is not a Router\./,
  },
  'a database call at import time': {
    modules: { 'a.js': `Convex.syscall('1.0/get', '{}')` },
    code: 'InvalidModules',
    says: /Syscall 1\.0\/get unsupported at import time/,
  },
  'an auth config that needs a variable which is not set': {
    modules: {
      'auth.config.js': `export default { providers: [{ domain: process.env.AUTH_DOMAIN.trim(), applicationID: 'x' }] }`,
    },
    code: 'AuthConfigMissingEnvironmentVariable',
    says: /^Environment variable AUTH_DOMAIN is used in auth config file but its value was not set$/,
  },
}

for (const [name, { modules, code, says }] of Object.entries(refusals)) {
  test(`refuses ${name}`, async () => {
    const analysis = analyzer.analyze(await requestOf(modules))
    await expect(analysis).rejects.toMatchObject({ code, message: expect.stringMatching(says) })
  })
}

test('refuses a schema that reads the environment', async () => {
  const schema = await moduleOf(
    'schema.js',
    `export default { export: () => process.env.X, tables: {}, x: process.env.X }`,
  )
  await expect(analyzer.analyze(await requestOf({}, { schema }))).rejects.toMatchObject({
    message: 'Environment variables unsupported when evaluating schema',
  })
})

const greeter = `
  import { defineComponent } from 'convex/server'
  import { v } from 'convex/values'
  export default defineComponent('greeter', { env: { GREETING: v.string() } })`

async function definitionOf(source: string, options: Partial<AnalyzeRequest> = {}): Promise<string | undefined> {
  const definition = await moduleOf('convex.config.js', source)
  const request = await requestOf({}, { definition, ...options })
  return (await analyzer.analyze({ ...request, code: { ...request.code, version: source } })).definitionText
}

test('gives a definition what the components that it uses were evaluated to', async () => {
  const component = (await definitionOf(greeter, { isComponent: true })) ?? ''
  expect(JSON.parse(component)).toMatchObject({ name: 'greeter', envVars: [['GREETING', { type: 'value' }]] })
  const path = '../node_modules/@scope/greeter/dist/component'
  const specifier = `./_componentDeps/${Buffer.from(path).toString('base64url')}`
  const source = `
    import greeter from ${JSON.stringify(specifier)}
    const { componentDefinitionPath, defaultName } = greeter
    export default { export: () => ({ componentDefinitionPath, defaultName, evaluated: greeter.export() }) }`
  const definition: ModuleSource = { path: 'convex.config.js', source, sourceMap: undefined, reuse: 'fresh' }
  const { definitionText } = await analyzer.analyze(
    await requestOf({}, { definition, mountable: new Map([[path, component]]) }),
  )
  expect(JSON.parse(definitionText ?? '')).toEqual({
    componentDefinitionPath: path,
    defaultName: 'greeter',
    evaluated: JSON.parse(component) as unknown,
  })
})

test.each([
  ['defineComponent(process.env.A ?? "x")', "Environment variables are only supported in the app's convex.config.ts."],
  ['defineComponent(String(Date.now()))', 'Date unsupported when evaluating convex.config.ts'],
  ['defineComponent(String(Math.random()))', 'Math.random unsupported when evaluating convex.config.ts'],
])('refuses a component that says %s', async (expression, text) => {
  const source = `import { defineComponent } from 'convex/server'\nexport default ${expression}`
  const env = { version: 'with A', variables: { A: 'a' } }
  await expect(definitionOf(source, { isComponent: true, env })).rejects.toMatchObject({
    code: 'InvalidConvexConfig',
    message: expect.stringContaining(text) as string,
  })
})

test('shows the modules of a component no variables', async () => {
  const source = `
    import { queryGeneric, internalQueryGeneric } from 'convex/server'
    export const seen = process.env.A === undefined ? queryGeneric(() => null) : internalQueryGeneric(() => null)`
  const env = { version: 'with A', variables: { A: 'a' } }
  const kindOf = async (isComponent: boolean): Promise<string | undefined> => {
    const { modules } = await analyzer.analyze(await requestOf({ 'm.js': source }, { env, isComponent }))
    return modules.get('m.js')?.functions[0]?.visibility.kind
  }
  expect(await kindOf(true)).toBe('public')
  expect(await kindOf(false)).toBe('internal')
})
