// Rules about the repository itself: which room may import which, that manifests say what the code imports, that no
// file is dead, and calls that are banned.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** A room imports rooms of lower levels only, and `base` ← `values` inside level 0. */
const levels: Readonly<Record<string, number>> = {
  base: 0,
  values: 0,
  storage: 1,
  blobs: 1,
  protocol: 1,
  database: 2,
  runtime: 3,
  http: 3,
  sync: 4,
  deployment: 5,
  'control-plane': 5,
  cli: 6,
  testing: 7,
}

/** Text that may not occur in server code, with the reason and the rooms where it may. */
const banned = [
  { pattern: /\bDate\.now\(|new Date\(\)/, why: 'time comes from the Clock', allowed: ['base', 'cli', 'testing'] },
  { pattern: /\bMath\.random\(/, why: 'randomness comes from Random', allowed: [] },
  { pattern: /\bprocess\.env\b/, why: 'only cli/ reads the environment', allowed: ['cli', 'testing'] },
  { pattern: /catch\s*(\([^)]*\))?\s*\{\s*\}/, why: 'errors are not swallowed', allowed: [] },
]

type Source = { readonly room: string; readonly path: string; readonly text: string; readonly isTest: boolean }

const sources: readonly Source[] = Object.keys(levels).flatMap((room) =>
  listFiles(join(root, 'packages', room, 'src'))
    .filter((path) => path.endsWith('.ts') || path.endsWith('.mjs'))
    .map((path) => ({ room, path, text: readFileSync(path, 'utf8'), isTest: isTestFile(path) })),
)

/** Code that runs inside isolates sees the isolate's own globals, so the bans on ambient state do not apply there. */
const isIsolateCode = (source: Source) => source.path.includes(`${join('runtime', 'src', 'isolate')}`)

test('every package is a room of the table', () => {
  expect(readdirSync(join(root, 'packages')).sort()).toEqual(Object.keys(levels).sort())
})

describe.each(Object.keys(levels))('room %s', (room) => {
  const own = sources.filter((source) => source.room === room)

  test('imports lower rooms only, by their public door', () => {
    const wrong = own.flatMap((source) =>
      importsOf(source.text)
        .filter((name) => name.startsWith('@concave/'))
        .filter((name) => {
          const target = name.slice('@concave/'.length)
          const level = levels[target]
          if (level === undefined) return true
          if (room === 'values' && target === 'base') return false
          // Tests may lean on anything below the composition.
          return level >= (levels[room] ?? 0) && !(source.isTest && level < 6)
        })
        .map((name) => `${relative(root, source.path)} imports ${name}`),
    )
    expect(wrong).toEqual([])
  })

  test('declares exactly what it imports', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'packages', room, 'package.json'), 'utf8')) as {
      dependencies?: Record<string, string>
    }
    const used = new Set(
      own
        .filter((source) => !source.isTest)
        .flatMap((source) => importsOf(source.text))
        .filter((name) => !name.startsWith('.') && !name.startsWith('node:') && !builtinModules.includes(name))
        .map(packageOf),
    )
    used.delete(`@concave/${room}`)
    expect([...used].sort()).toEqual(Object.keys(manifest.dependencies ?? {}).sort())
  })

  test('keeps to the rules on ambient state and errors', () => {
    const found = own
      .filter((source) => !source.isTest && !isIsolateCode(source))
      .flatMap((source) =>
        banned
          .filter(({ pattern, allowed }) => !(allowed as readonly string[]).includes(room) && pattern.test(source.text))
          .map(({ why }) => `${relative(root, source.path)}: ${why}`),
      )
    expect(found).toEqual([])
  })

  test('has no dead files', () => {
    const reachable = new Set<string>()
    const visit = (path: string) => {
      if (reachable.has(path)) return
      reachable.add(path)
      const source = own.find((candidate) => candidate.path === path)
      if (source === undefined) return
      for (const target of localTargets(source)) visit(target)
    }
    const roots = own.filter((source) => source.isTest || isEntry(source.path))
    for (const source of roots) visit(source.path)
    const dead = own.map((source) => source.path).filter((path) => !reachable.has(path) && !path.endsWith('.d.ts'))
    expect(dead.map((path) => relative(root, path))).toEqual([])
  })
})

function isEntry(path: string): boolean {
  return /src\/(index|main)\.ts$|-worker\.ts$|\/(runner|local-backend|egress-process)\/main\.ts$|\/isolate\/entry\.ts$/.test(
    path,
  )
}

function isTestFile(path: string): boolean {
  return /\.test\.ts$|-suite\.ts$|-fixture\.ts$|\/fixtures\/|\/src\/testing\//.test(path)
}

function importsOf(text: string): string[] {
  const code = withoutComments(text)
  const statements =
    /^(?:import|export)\b[^'"]*?\bfrom\s+['"]([^'"\n]+)['"]|^import\s+['"]([^'"\n]+)['"]|\bimport\(\s*['"]([^'"\n]+)['"]/gm
  return [...code.matchAll(statements)].flatMap((match) => match[1] ?? match[2] ?? match[3] ?? [])
}

/** Relative imports and `new URL('./x.ts', import.meta.url)` references. */
function localTargets(source: Source): string[] {
  const urls = [...source.text.matchAll(/['"](\.{1,2}\/[^'"\n]+\.(?:ts|mjs))['"]/g)].flatMap((match) => match[1] ?? [])
  return urls.map((name) => resolve(dirname(source.path), name))
}

function packageOf(name: string): string {
  const parts = name.split('/')
  return name.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? name)
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`])\/\/.*$/gm, '$1')
}

function listFiles(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    return statSync(path).isDirectory() ? listFiles(path) : [path]
  })
}
