import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLog, systemClock } from '@concave/base'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runtimeLimits } from '../limits.ts'
import type { NodeRequirements } from './node-action.ts'
import { NpmNodeProvider } from './npm-node-provider.ts'

let folder: string
/** What the stand-in for npm does, as shell commands in the folder to be filled. */
let npm: (commands: string) => Promise<void>
let provider: NpmNodeProvider
let nowMs: number
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'concave-provider-'))
  const programs = join(folder, 'bin')
  await mkdir(programs)
  npm = async (commands) => {
    await writeFile(join(programs, 'npm'), `#!/bin/sh\necho run >> ${folder}/runs\n${commands}\n`)
    await chmod(join(programs, 'npm'), 0o755)
  }
  nowMs = systemClock.nowMs()
  provider = new NpmNodeProvider({
    folder: join(folder, 'node'),
    npmEnvironment: { PATH: `${programs}:/usr/bin:/bin` },
    clock: { ...systemClock, nowMs: () => nowMs },
    log: createLog({ level: 'silent' }),
  })
})
afterEach(async () => {
  await provider[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const install = 'mkdir -p node_modules/left-pad && echo 1 > node_modules/left-pad/index.js'
const leftPad: NodeRequirements = { nodeVersion: undefined, packages: [{ name: 'left-pad', version: '1.3.0' }] }
const runs = async (): Promise<number> =>
  (await readFile(join(folder, 'runs'), 'utf8').catch(() => '')).split('\n').length - 1

test('installs a set of packages once, whoever asks', async () => {
  await npm(install)
  const [first, second] = await Promise.all([provider.provide(leftPad), provider.provide(leftPad)])
  expect(second).toEqual(first)
  expect(await readdir(first.packagesFolder as string)).toEqual(['left-pad'])
  expect(first.nodePath).toBe(process.execPath)
  expect(await provider.provide(leftPad)).toEqual(first)
  expect(await runs()).toBe(1)
})

test('names the package that could not be had, without addresses', async () => {
  await npm(
    "echo 'npm error code E404' >&2; echo 'npm error 404 Not Found - GET https://registry.example/left-pad - Not found' >&2; " +
      "echo 'npm error A complete log of this run can be found in: /home/x/_logs/1-debug-0.log' >&2; exit 1",
  )
  const refused = provider.provide({ ...leftPad, packages: [...leftPad.packages, { name: 'other', version: '2.0.0' }] })
  await expect(refused).rejects.toMatchObject({ code: 'ExternalPackagesNotAvailable', status: 400 })
  await expect(refused).rejects.toThrow(/left-pad@1\.3\.0, other@2\.0\.0\. code E404\n404 Not Found/)
  await expect(refused).rejects.not.toThrow(/registry\.example|debug-0/)
  expect(await readdir(join(folder, 'node', 'packages'))).toEqual([])
})

test('says which of several packages it was', async () => {
  await npm("echo 'npm error notarget No matching version found for left-pad@1.3.0.' >&2; exit 1")
  const refused = provider.provide({ ...leftPad, packages: [{ name: 'abc', version: '2.0.0' }, ...leftPad.packages] })
  await expect(refused).rejects.toThrow('could not be installed: left-pad@1.3.0. notarget')
})

test('tries again after a failure', async () => {
  await npm('exit 7')
  await expect(provider.provide(leftPad)).rejects.toThrow('npm ended with exit code 7')
  await npm(install)
  expect((await provider.provide(leftPad)).packagesFolder).toBeDefined()
})

test('refuses what is no exact version in the registry, before npm sees it', async () => {
  await npm(install)
  for (const [name, version] of [
    ['x', 'git+ssh://host/x'],
    ['x', 'file:../../etc'],
    ['x', '^1.0.0'],
    ['../x', '1.0.0'],
    ['-g', '1.0.0;'],
  ] as const) {
    await expect(provider.provide({ nodeVersion: undefined, packages: [{ name, version }] })).rejects.toMatchObject({
      code: 'InvalidExternalPackage',
    })
  }
  expect(await runs()).toBe(0)
})

test('refuses versions of Node that it does not know, and those that do not run', async () => {
  await npm('mkdir -p node_modules && exit 0')
  await expect(provider.provide({ nodeVersion: '18', packages: [] })).rejects.toMatchObject({
    code: 'UnsupportedNodeVersion',
  })
  await expect(provider.provide({ nodeVersion: '20', packages: [] })).rejects.toMatchObject({
    code: 'NodeVersionNotAvailable',
  })
})

test('removes what nobody uses any more, and nothing else', async () => {
  await npm(install)
  const installed = async (): Promise<number> => (await readdir(join(folder, 'node', 'packages'))).length
  await provider.provide(leftPad)
  await provider.setUser('one', leftPad)
  nowMs += runtimeLimits.unusedPackagesMs * 2
  await provider.setUser('two', { nodeVersion: undefined, packages: [] })
  expect(await installed()).toBe(1)
  await provider.removeUser('one')
  expect(await installed()).toBe(0)
})
