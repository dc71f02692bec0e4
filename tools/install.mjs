// Installs the packages of a folder as its lock says, unless that was done since the lock changed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** `what` is installed, as a person reads it. Ends the process when npm fails. */
export function installLocked(folder, what) {
  const lock = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex')
  const marker = join(folder, 'node_modules', '.concave-lock')
  if (existsSync(marker) && readFileSync(marker, 'utf8') === lock) return
  console.error(`Concave: installing ${what} (npm ci) …`)
  const npm = spawnSync('npm', ['ci', '--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error'], {
    cwd: folder,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  if (npm.status !== 0) {
    console.error('Concave: npm ci failed; see its messages above. Concave needs the npm registry once, to install.')
    process.exit(1)
  }
  writeFileSync(marker, lock)
}
