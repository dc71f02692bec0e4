import { BadRequest, createLog, systemClock, systemRandom } from '@concave/base'
import { Database } from '@concave/database'
import { MemoryStorage } from '@concave/storage'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { changeEnvironmentVariables } from '../environment/environment-variables.ts'
import { CodeRegistry } from '../functions/code-registry.ts'
import { AuthConfiguration, loadAuthProviders, replaceAuthProviders } from './auth-configuration.ts'

let database: Database
beforeEach(async () => {
  database = await Database.open({
    storage: new MemoryStorage(),
    clock: systemClock,
    random: systemRandom,
    log: createLog({ level: 'silent' }),
  })
})
afterEach(async () => {
  await database.close()
})

/** As if `auth.config` named the site as its issuer, and a variable `APP`. */
function open(siteUrl: string): { readonly configuration: AuthConfiguration; readonly registry: CodeRegistry } {
  const registry = new CodeRegistry({ database, builtInVariables: { CONVEX_SITE_URL: siteUrl } })
  const evaluateAuthConfig = async ({ env }: { env: { variables: Readonly<Record<string, string>> } }) => {
    const { APP: applicationID, CONVEX_SITE_URL: domain } = env.variables
    if (applicationID === undefined) throw new BadRequest('AuthConfigMissingEnvironmentVariable', 'APP is not set')
    return JSON.stringify({ providers: [{ domain, applicationID }] })
  }
  return { registry, configuration: new AuthConfiguration({ registry, analyzer: { evaluateAuthConfig } }) }
}

const load = async () => (await database.read(loadAuthProviders)).value

test('follows the environment variables, or refuses their change', async () => {
  const { configuration } = open('https://site.test')
  const change = async (value: string | null) =>
    await changeEnvironmentVariables(database, [{ name: 'APP', value }], (tx) => configuration.reevaluate(tx))
  await change('one')
  expect(await load()).toEqual([{ domain: 'https://site.test', applicationID: 'one' }])
  await change('two')
  expect(await load()).toEqual([{ domain: 'https://site.test', applicationID: 'two' }])
  await expect(change(null)).rejects.toMatchObject({ code: 'AuthConfigMissingEnvironmentVariable' })
  expect(await load()).toEqual([{ domain: 'https://site.test', applicationID: 'two' }])
})

test('follows the URLs at which the deployment is opened', async () => {
  const before = open('https://site.test')
  await changeEnvironmentVariables(database, [{ name: 'APP', value: 'x' }], (tx) => before.configuration.reevaluate(tx))
  const head = database.latestTs()
  await open('https://site.test').configuration.catchUp(database)
  expect(database.latestTs()).toBe(head)
  const after = open('https://moved.test')
  await after.configuration.catchUp(database)
  expect(await load()).toEqual([{ domain: 'https://moved.test', applicationID: 'x' }])
  expect(await after.registry.authProviders(database.begin('query'))).toEqual(await load())
})

test('tells what a push changes, and keeps the order of its providers', async () => {
  const a = { domain: 'https://a.test', applicationID: 'x' }
  const b = { ...a, domain: 'https://b.test' }
  const replace = async (...next: (typeof a)[]) =>
    (await database.mutate('push', (tx) => replaceAuthProviders(tx, next, '1'))).value
  const added = await replace(a, b)
  expect(added.added.map((text) => JSON.parse(text) as unknown)).toEqual([a, b])
  expect(added.removed).toEqual([])
  expect(await replace(b, a)).toEqual({ added: [], removed: [] })
  expect(await load()).toEqual([b, a])
  const { removed } = await replace(b)
  expect(removed.map((text) => JSON.parse(text) as unknown)).toEqual([a])
})
