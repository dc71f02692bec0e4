// A page with the official React client in a real browser: windows that update each other, optimistic updates, pages of
// results, errors with data, and a server that goes away and comes back while the page stays open.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type AppFolder,
  createProject,
  deployKeyAccess,
  makeTemporaryFolder,
  openAppFolder,
  openCli,
  pickPortRange,
  readBootstrapFile,
  repositoryRoot,
  type ServerProcess,
  startServerProcess,
} from '@concave/testing'
import { ConvexHttpClient } from 'convex/browser'
import { makeFunctionReference } from 'convex/server'
import type { Browser, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type BundledPage, serveBundledPage } from './bundled-page.ts'
import { hasChromium, launchChromium } from './chromium.ts'
import { holdSocket } from './held-socket.ts'

const countNotes = makeFunctionReference<'query', { text: string }, number>('notes:count')
const addNote = makeFunctionReference<'mutation', { text: string }, string>('notes:add')

/** The client waits up to 16 s between its attempts to connect again. */
const reconnectMs = 40_000

const eventually = <T>(probe: () => T): ReturnType<typeof expect.poll<T>> =>
  expect.poll(probe, { timeout: reconnectMs })

describe.runIf(hasChromium)('a page with convex/react', { timeout: 90_000 }, () => {
  const deploymentPorts = pickPortRange()
  let dataDir: string
  let server: ServerProcess
  let app: AppFolder
  let page: BundledPage
  let browser: Browser
  let client: ConvexHttpClient
  let address: string

  beforeAll(async () => {
    dataDir = await makeTemporaryFolder('live-page')
    const bootstrapFile = join(dataDir, 'bootstrap.json')
    server = await startServerProcess({ dataDir, port: 0, deploymentPorts, bootstrapFile })
    const bootstrap = await readBootstrapFile(bootstrapFile)
    const project = await createProject({ ...bootstrap, url: server.url }, { name: 'Live page' })
    app = await openAppFolder({ from: join(repositoryRoot, 'tests/fixtures/live') })
    const cli = await openCli(app, deployKeyAccess(server, project.deployKey))
    await cli.succeed('dev', '--once', '--typecheck', 'disable')
    client = new ConvexHttpClient(project.deploymentUrl, { logger: false })
    page = await serveBundledPage(join(app.path, 'src/main.tsx'))
    address = `${page.url}/?url=${encodeURIComponent(project.deploymentUrl)}`
    browser = await launchChromium()
  }, 120_000)
  afterAll(async () => {
    await browser.close()
    await page[Symbol.asyncDispose]()
    await server.stop()
    await app[Symbol.asyncDispose]()
    await rm(dataDir, { recursive: true, force: true })
  })
  afterEach(async () => {
    await Promise.all(browser.contexts().map(async (context) => await context.close()))
  })

  async function openWindow(): Promise<Page> {
    const window = await browser.newPage()
    await window.goto(address)
    await isLive(window)
    return window
  }

  const isLive = async (window: Page): Promise<void> =>
    await window.getByRole('status').filter({ hasText: 'Live' }).waitFor({ timeout: reconnectMs })
  const isOffline = async (window: Page): Promise<void> =>
    await window.getByRole('status').filter({ hasText: 'Offline' }).waitFor()
  const newest = (window: Page, text: string): Locator =>
    window.getByRole('region', { name: 'Newest' }).getByRole('listitem').getByText(text, { exact: true })
  const answers = async (window: Page): Promise<string> => await window.getByLabel('Answers').innerText()

  async function add(window: Page, text: string): Promise<void> {
    await window.getByLabel('Note').fill(text)
    await window.getByRole('button', { name: 'Add' }).click()
  }

  const count = async (text: string): Promise<number> => await client.query(countNotes, { text })
  const stop = async (signal: NodeJS.Signals): Promise<void> => void (await server.stop(signal))
  const startAgain = async (): Promise<void> => {
    server = await startServerProcess({ dataDir, port: Number(new URL(server.url).port), deploymentPorts })
  }

  it('shows in one window what another one adds', async () => {
    const [first, second] = [await openWindow(), await openWindow()]
    await add(first, 'from the first')
    await newest(second, 'from the first').waitFor()
    await add(second, 'from the second')
    await newest(first, 'from the second').waitFor()
    expect(await first.getByRole('region', { name: 'Newest' }).getByRole('listitem').count()).toBe(2)
  })

  it('shows an optimistic update at once and the real result in its place', async () => {
    const window = await browser.newPage()
    const socket = await holdSocket(window)
    await window.goto(address)
    await isLive(window)
    await newest(window, 'from the second').waitFor()
    socket.hold()
    await add(window, 'optimistic')
    await newest(window, 'optimistic (sending)').waitFor()
    await eventually(() => count('optimistic')).toBe(1)
    await eventually(() => socket.held).toBeGreaterThan(0)
    expect(await newest(window, 'optimistic').count()).toBe(0)
    socket.release()
    await newest(window, 'optimistic').waitFor()
    expect(await newest(window, 'optimistic (sending)').count()).toBe(0)
    await eventually(() => answers(window)).toBe('1')
  })

  it('loads page after page, and new documents appear on the first', async () => {
    for (const number of [1, 2, 3, 4, 5, 6, 7]) await client.mutation(addNote, { text: `paged ${number}` })
    const window = await openWindow()
    const all = window.getByRole('region', { name: 'All' })
    const texts = async (): Promise<string[]> => await all.getByRole('listitem').allInnerTexts()
    await eventually(texts).toEqual(['paged 7', 'paged 6', 'paged 5'])
    await all.getByRole('button', { name: 'Load more' }).click()
    await eventually(texts).toEqual(['paged 7', 'paged 6', 'paged 5', 'paged 4', 'paged 3', 'paged 2'])
    await add(window, 'paged 8')
    await eventually(texts).toEqual(['paged 8', 'paged 7', 'paged 6', 'paged 5', 'paged 4', 'paged 3', 'paged 2'])
    while ((await all.getByText('That is all.').count()) === 0) {
      const before = (await texts()).length
      await all.getByRole('button', { name: 'Load more', disabled: false }).click()
      await eventually(async () => (await texts()).length).toBeGreaterThan(before)
      await all
        .getByText('That is all.')
        .or(all.getByRole('button', { name: 'Load more', disabled: false }))
        .waitFor()
    }
    const everything = await texts()
    expect(everything.slice(0, 8)).toEqual([8, 7, 6, 5, 4, 3, 2, 1].map((number) => `paged ${number}`))
    expect(new Set(everything).size).toBe(everything.length)
  })

  it("gives the data of a query's ConvexError to an error boundary, and the rest of the page lives on", async () => {
    const window = await openWindow()
    await window.getByRole('button', { name: 'Show locked notes' }).click()
    const alert = window.getByRole('alert')
    await alert.waitFor()
    expect(JSON.parse(await alert.innerText())).toEqual({ code: 'NotesLocked', until: { $integer: '0gQAAAAAAAA=' } })
    await add(window, 'after the error')
    await newest(window, 'after the error').waitFor()
  })

  it('goes on by itself after a restart, and applies once what was sent during the outage', async () => {
    const [first, second] = [await openWindow(), await openWindow()]
    await stop('SIGTERM')
    await Promise.all([isOffline(first), isOffline(second)])
    await add(first, 'during the outage')
    await newest(first, 'during the outage (sending)').waitFor()
    await startAgain()
    for (const window of [first, second]) {
      await isLive(window)
      await newest(window, 'during the outage').waitFor()
    }
    await eventually(() => answers(first)).toBe('1')
    expect(await count('during the outage')).toBe(1)
    await add(second, 'after the outage')
    await newest(first, 'after the outage').waitFor()
  })

  it('applies once what was committed just before the server was killed, whose answer never came', async () => {
    const window = await browser.newPage()
    const socket = await holdSocket(window)
    await window.goto(address)
    await isLive(window)
    socket.hold()
    await add(window, 'answer lost')
    await eventually(() => count('answer lost')).toBe(1)
    await stop('SIGKILL')
    socket.drop()
    await isOffline(window)
    expect(await answers(window)).toBe('0')
    await startAgain()
    await isLive(window)
    await eventually(() => answers(window)).toBe('1')
    expect(await count('answer lost')).toBe(1)
    await newest(window, 'answer lost').waitFor()
  })
})
