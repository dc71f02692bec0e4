// Runs the test suite and says by name what had to be omitted. In CI nothing may be omitted.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installLocked } from './install.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const isCi = process.env['CI'] === 'true'
const report = process.env['CONCAVE_TEST_REPORT']
const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
)

const omitted: string[] = []
const excluded: string[] = []
if (chromium === undefined) {
  // The quickstart leaves its browser part out by itself.
  omitted.push('tests/browser and the windows of tests/quickstart (need Chromium; on Debian: apt-get install chromium)')
  excluded.push('tests/browser/**')
}
if (process.platform !== 'linux') {
  omitted.push('tests/quickstart (looks for processes the way Linux shows them)')
  excluded.push('tests/quickstart/**')
}
if (omitted.length > 0 && isCi) {
  console.error(`In CI nothing may be omitted: ${omitted.join('; ')}`)
  process.exit(1)
}

installLocked(join(root, 'tests/npm-components'), 'the npm components that tests run')

const args = ['--no-node-snapshot', join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...process.argv.slice(2)]
for (const pattern of excluded) args.push('--exclude', pattern)
if (report !== undefined) args.push('--reporter=default', '--reporter=json', `--outputFile.json=${report}`)
const outcome = spawnSync(process.execPath, args, {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, ...(chromium === undefined ? {} : { CONCAVE_CHROMIUM: chromium }) },
})
for (const name of omitted) console.log(`omitted: ${name}`)
process.exit(outcome.status ?? 1)
