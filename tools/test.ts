// Runs the test suite and says by name what had to be omitted. In CI nothing may be omitted.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const isCi = process.env['CI'] === 'true'
const report = process.env['CONCAVE_TEST_REPORT']
const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
)

const omitted: string[] = []
if (chromium === undefined) omitted.push('tests/browser (needs Chromium; on Debian: apt-get install chromium)')
if (omitted.length > 0 && isCi) {
  console.error(`In CI nothing may be omitted: ${omitted.join('; ')}`)
  process.exit(1)
}

const args = ['--no-node-snapshot', join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...process.argv.slice(2)]
if (chromium === undefined) args.push('--exclude', 'tests/browser/**')
if (report !== undefined) args.push('--reporter=default', '--reporter=json', `--outputFile.json=${report}`)
const outcome = spawnSync(process.execPath, args, {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, ...(chromium === undefined ? {} : { CONCAVE_CHROMIUM: chromium }) },
})
for (const name of omitted) console.log(`omitted: ${name}`)
process.exit(outcome.status ?? 1)
