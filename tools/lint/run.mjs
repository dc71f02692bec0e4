// Runs the linter or the formatter from this folder's own dependencies, installing them when they are missing.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.url))
const root = dirname(dirname(folder))
const [tool, ...args] = process.argv.slice(2)
const bin = join(folder, 'node_modules', '.bin')

if (!existsSync(join(bin, tool))) {
  const npm = spawnSync(
    'npm',
    ['install', '--ignore-scripts', '--no-fund', '--no-audit', '--no-package-lock', '--loglevel=error'],
    {
      cwd: folder,
      stdio: ['ignore', 2, 2],
      shell: process.platform === 'win32',
    },
  )
  if (npm.status !== 0) process.exit(npm.status ?? 1)
}
// oxlint finds its type-aware half by name on the path.
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}` }
const outcome = spawnSync(join(bin, tool), args, { cwd: root, stdio: 'inherit', env })
process.exit(outcome.status ?? 1)
