import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { NodeWorkspace } from './node-workspace.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'workspace-test-'))
  vi.stubEnv('TMPDIR', folder)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true, force: true })
})

const codeOf = (...paths: readonly string[]) => ({
  version: '1',
  modules: new Map(paths.map((path) => [path, { path, source: '', sourceMap: undefined, reuse: 'fresh' as const }])),
  importSeed: '00'.repeat(32),
  importTimeMs: 0,
})

test('leaves nothing behind, whether it is used or cannot be written', async () => {
  const workspace = await NodeWorkspace.create(codeOf('a.js', 'b/c.js'), { packagesFolder: undefined })
  expect(await readdir(workspace.codeFolder)).toEqual(['a.js', 'b', 'package.json'])
  await workspace.remove()
  expect(await readdir(folder)).toEqual([])
  // A file and a folder of one name.
  await expect(NodeWorkspace.create(codeOf('a.js', 'a.js/b.js'), { packagesFolder: undefined })).rejects.toThrow(
    /EEXIST|ENOTDIR/,
  )
  expect(await readdir(folder)).toEqual([])
})
