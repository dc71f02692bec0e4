/** The browser of these tests: the system's Chromium, driven without downloading one. */
import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

const path = process.env['CONCAVE_CHROMIUM'] ?? '/usr/bin/chromium'

/** Tests that need a browser run only if this holds. `npm test` names them when it does not, and fails in CI. */
export const hasChromium = existsSync(path)

/** A browser with a profile of its own that makes no connection by itself. */
export async function launchChromium(): Promise<Browser> {
  return await chromium.launch({
    executablePath: path,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}
