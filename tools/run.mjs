// Runs a script of this repository with the right Node and with its dependencies in place. This is what makes
// `npm start` and `npm test` work on a fresh clone: it is plain JavaScript for any Node >= 20, installs from
// package-lock.json when that changed, and hands over to the pinned Node that npm brought (Linux) or to the
// system's Node when that is new enough.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installLocked } from './install.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const minimumNodeMajor = 24
const parentLooksEveryMs = 500
const parentAtStart = process.ppid

installLocked(root, 'dependencies')
const node = findNode()
const [script, ...args] = process.argv.slice(2)
const child = spawn(node, ['--disable-warning=ExperimentalWarning', join(root, script), ...args], { stdio: 'inherit' })
// The terminal sends Ctrl-C to the whole group; other signals are handed on. Either way the child decides when to end.
process.on('SIGINT', () => {})
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
// npm runs a script in a shell that hands no signal on: told to end, npm ends that shell only, and so its end is the signal.
if (process.env.npm_lifecycle_event !== undefined) {
  const parentWatch = setInterval(() => {
    if (process.ppid === parentAtStart) return
    clearInterval(parentWatch)
    child.kill('SIGTERM')
  }, parentLooksEveryMs)
}
child.on('error', (error) => fail(`could not run ${String(node)}: ${error.message}`))
child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))

function findNode() {
  const pinned = [`node-linux-${process.arch}`].map((name) => join(root, 'node_modules', name, 'bin', 'node'))
  const found = pinned.find((path) => existsSync(path))
  if (found !== undefined) return found
  const major = Number(process.versions.node.split('.')[0])
  if (major >= minimumNodeMajor) return process.execPath
  return fail(
    `Concave needs Node >= ${minimumNodeMajor} on ${process.platform}/${process.arch}; this is ${process.version}. ` +
      'Install it from https://nodejs.org and start again.',
  )
}

function fail(message) {
  console.error(`Concave: ${message}`)
  process.exit(1)
}
