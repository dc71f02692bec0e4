import { mkdir, mkdtemp, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { installLocalBackend, localBackendVersion as version } from './install.ts'
import { InstanceKeys } from './instance-keys.ts'

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'concave-install-'))
})
afterEach(async () => await rm(home, { recursive: true, force: true }))

type Options = { as?: string; provisionHost?: string; projectDir?: string; forProject?: string }
const install = async (options: Options = {}): Promise<string> => {
  const { as = version, provisionHost, projectDir, forProject } = options
  return await installLocalBackend({ projectDir, forProject, version: as, home, provisionHost })
}

test.each([
  [undefined, 'convex'],
  ['', 'convex'],
  ['https://cp.example.com', 'convex-test'],
  ['http://127.0.0.1:8050', 'convex-test'],
  ['http://127.0.0.1:9100', 'convex-test-9100'],
])('with the provision host %j it goes into the cache %s', async (provisionHost, cache) => {
  await install(provisionHost === undefined ? {} : { provisionHost })
  const link = await readlink(join(home, '.cache', cache, 'binaries', version, 'convex-local-backend'))
  expect((await stat(link)).mode & 0o111).toBe(0o111)
})

describe('an app', () => {
  const readConfig = async (app: string): Promise<string> =>
    await readFile(join(app, '.convex/local/default/config.json'), 'utf8')

  test('is set up once, with a key of its own secret', async () => {
    const app = join(home, 'My App')
    await install({ projectDir: app })
    const config = await readConfig(app)
    const { deploymentName, instanceSecret, adminKey } = JSON.parse(config) as Record<string, string>
    expect(deploymentName).toBe('anonymous-My-App')
    const keys = new InstanceKeys({ name: deploymentName ?? '', secret: instanceSecret ?? '' })
    expect(await keys.verify(adminKey ?? '')).toMatchObject({ kind: 'ok' })
    await install({ projectDir: app })
    expect(await readConfig(app)).toBe(config)
  })

  test('of a project of a control plane has the name that the command line looks for', async () => {
    const app = join(home, 'app')
    await install({ projectDir: app, forProject: 'my-team:my-shop' })
    expect(JSON.parse(await readConfig(app))).toMatchObject({ deploymentName: 'local-my_team-my_shop' })
  })

  test.each(['my-team', 'a:b:c', 'my team:shop', ':shop'])('is of no project named %s', async (forProject) => {
    const refused = { code: 'InvalidOption', message: expect.stringContaining('--for') as unknown }
    await expect(install({ projectDir: join(home, 'app'), forProject })).rejects.toMatchObject(refused)
    await expect(install({ forProject: 'my-team:my-shop' })).rejects.toMatchObject(refused)
  })

  test.each(['{"backendVersion":"precompiled-2026-01-01-abc"}', 'nothing'])(
    'that has a local deployment of another backend is left alone (%s)',
    async (text) => {
      const folder = join(home, 'app/.convex/local/default')
      await mkdir(folder, { recursive: true })
      await writeFile(join(folder, 'config.json'), text)
      await expect(install({ projectDir: join(home, 'app') })).rejects.toMatchObject({ code: 'LocalDeploymentExists' })
      expect(await readConfig(join(home, 'app'))).toBe(text)
    },
  )
})

test('it takes the place of itself only, and versions only in their form', async () => {
  await install()
  await install()
  const folder = join(home, '.cache/convex/binaries/precompiled-2026-11-01-abc')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'convex-local-backend'), 'another program')
  await expect(install({ as: 'precompiled-2026-11-01-abc' })).rejects.toMatchObject({ code: 'BackendExists' })
  await expect(install({ as: '../../../x' })).rejects.toMatchObject({ code: 'InvalidOption' })
})
