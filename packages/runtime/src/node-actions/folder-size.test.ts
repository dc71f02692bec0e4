import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { exceeds } from './folder-size.ts'

test('adds up what lies below a folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'concave-size-'))
  try {
    await mkdir(join(folder, 'below'))
    await writeFile(join(folder, 'below', 'file'), Buffer.alloc(100_000, 1))
    expect(await exceeds(folder, 50_000)).toBe(true)
    expect(await exceeds(folder, 200_000)).toBe(false)
    expect(await exceeds(join(folder, 'missing'), 1)).toBe(false)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('counts small files, too', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'concave-size-'))
  try {
    for (let i = 0; i < 10; i++) await writeFile(join(folder, String(i)), 'x')
    expect(await exceeds(folder, 30_000)).toBe(true)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
