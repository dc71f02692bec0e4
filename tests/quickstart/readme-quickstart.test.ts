// The README's quickstart on a fresh clone, as printed, by somebody with two terminals and a browser. This is also the
// test that `npm start` sets up everything by itself.
import { once } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { repositoryRoot } from '@concave/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasChromium, launchChromium } from '../browser/chromium.ts'
import { type FreshClone, openFreshClone } from './fresh-clone.ts'
import { listDescendants, listProcesses } from './processes.ts'
import { readQuickstartBlocks } from './readme-blocks.ts'
import { Terminal } from './terminal.ts'

const defaultPort = 8050
/** Downloads included. */
const installMs = 400_000
const commandMs = 120_000

describe('the quickstart', () => {
  let clone: FreshClone
  let server: Terminal
  let work: Terminal
  let blocks: readonly string[]
  let pageUrl = ''

  beforeAll(async () => {
    await requireFreePort(defaultPort)
    clone = await openFreshClone(repositoryRoot)
    blocks = await readQuickstartBlocks(clone.path)
    server = await Terminal.open({ cwd: clone.path })
    work = await Terminal.open({ cwd: clone.path })
  })
  afterAll(async () => {
    await work[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
    await clone[Symbol.asyncDispose]()
  })

  const block = (number: number): string => blocks[number - 1] ?? ''
  const readJson = async (name: string): Promise<Record<string, unknown>> =>
    JSON.parse(await readFile(join(clone.path, name), 'utf8')) as Record<string, unknown>

  it('has five steps', () => {
    expect(blocks).toHaveLength(5)
    expect(block(1)).toMatch(/^npm start/)
    expect(block(5)).toBe('npm run dev\n')
  })

  it(
    'starts the platform, installing what it needs, and hands over the first token',
    { timeout: installMs },
    async () => {
      await server.start(block(1))
      await server.waitForOutput(/Press Ctrl-C to stop\./, installMs)
      expect(server.transcript).toContain('installing dependencies')
      expect(server.transcript).toContain(`Control plane  http://127.0.0.1:${defaultPort}`)
      const { accessToken, url } = await readJson('concave.json')
      expect(url).toBe(`http://127.0.0.1:${defaultPort}`)
      expect(server.transcript).toContain(`Access token   ${String(accessToken)}`)
      expect((await stat(join(clone.path, 'concave.json'))).mode & 0o777).toBe(0o600)
    },
  )

  it('creates a project with a live deployment', { timeout: commandMs }, async () => {
    const printed = await work.run(block(2), commandMs)
    const project = await readJson('project.json')
    expect(printed).toContain(String(project['deploymentName']))
    const { status } = await fetch(`${String(project['deploymentUrl'])}/version`)
    expect(status).toBe(200)
  })

  it('makes a deploy key', { timeout: commandMs }, async () => {
    await work.run(block(3), commandMs)
    const { deployKey } = await readJson('key.json')
    expect(deployKey).toMatch(/^dev:[a-z]+-[a-z]+-\d+\|/)
  })

  it('pushes the example with the official command line and calls it', { timeout: installMs }, async () => {
    const printed = await work.run(block(4), installMs)
    expect(printed).toContain('[+] messages.by_channel')
    expect(printed).toContain('Convex functions ready!')
    expect(printed).toMatch(/"Ada" +\| "Hello from the command line" \| "general"/)
    const { deploymentUrl } = await readJson('project.json')
    const env = await readFile(join(clone.path, 'examples/chat/.env.local'), 'utf8')
    expect(env).toContain(`VITE_CONVEX_URL=${String(deploymentUrl)}`)
  })

  it('serves the page at the address that it prints', { timeout: commandMs }, async () => {
    await work.start(block(5))
    const [, url = ''] = await work.waitForOutput(/Local: +(http:\/\/\S+)/, commandMs)
    pageUrl = url
    expect(await (await fetch(pageUrl)).text()).toContain('<title>Chat on Concave</title>')
  })

  it.runIf(hasChromium)('shows in each of two windows what the other writes', { timeout: commandMs }, async () => {
    await using browser = await launchChromium()
    const [first, second] = [await browser.newPage(), await browser.newPage()]
    const problems: string[] = []
    for (const page of [first, second]) {
      page.on('pageerror', (error) => problems.push(String(error)))
      await page.goto(pageUrl)
      await page.getByRole('status').filter({ hasText: 'Live' }).waitFor()
      await page.getByRole('listitem').filter({ hasText: 'Hello from the command line' }).waitFor()
    }
    for (const { from, to, author, body } of [
      { from: first, to: second, author: 'Grace', body: 'Hello from the first window' },
      { from: second, to: first, author: 'Barbara', body: 'Hello from the second window' },
    ]) {
      await from.getByLabel('Your name').fill(author)
      await from.getByLabel('Message', { exact: true }).fill(body)
      await from.getByRole('button', { name: 'Send' }).click()
      await to.getByRole('listitem').filter({ hasText: body }).filter({ hasText: author }).waitFor()
    }
    expect(problems).toEqual([])
    // What the app refuses it says to the user.
    await first.getByLabel('Message', { exact: true }).fill('   ')
    await first.getByRole('button', { name: 'Send' }).click()
    await first.getByRole('alert').filter({ hasText: 'A message needs some text.' }).waitFor()
    expect(await second.getByRole('listitem').count()).toBe(3)
  })

  it('stops at Ctrl-C, leaving no process behind', { timeout: commandMs }, async () => {
    const started = [...(await listDescendants(server.pid)), ...(await listDescendants(work.pid))]
    expect(started.map(({ command }) => command)).toContainEqual(expect.stringContaining('main.ts serve'))
    await work.interrupt()
    await server.interrupt()
    expect(server.transcript).toContain('Stopped. All data is in the data directory.')
    const left = (await listProcesses()).filter(({ pid }) => started.some((entry) => entry.pid === pid))
    expect(left).toEqual([])
  })
})

async function requireFreePort(port: number): Promise<void> {
  const probe = createServer()
  probe.listen(port, '127.0.0.1')
  try {
    await once(probe, 'listening')
  } catch (cause) {
    throw new Error(`The quickstart uses port ${port}, which some other program on this machine holds.`, { cause })
  }
  probe.close()
  await once(probe, 'close')
}
