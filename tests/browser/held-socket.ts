/** Takes hold of what a deployment sends to a page, so that a test decides when it arrives, or that it never does. */
import type { Page } from 'playwright-core'

export type HeldSocket = {
  /** From now on the page hears nothing. What it sends goes through. */
  hold(): void
  /** Everything held back arrives, in order, and what follows too. */
  release(): void
  /** Everything held back is lost; a new connection is not held. */
  drop(): void
  /** How many messages are held back. */
  readonly held: number
}

/** To be called before the page is opened. */
export async function holdSocket(page: Page): Promise<HeldSocket> {
  let isHolding = false
  let waiting: (() => void)[] = []
  await page.routeWebSocket(/\/sync$/, (socket) => {
    const server = socket.connectToServer()
    server.onMessage((message) => {
      if (isHolding) waiting.push(() => socket.send(message))
      else socket.send(message)
    })
  })
  return {
    hold: () => {
      isHolding = true
    },
    release: () => {
      isHolding = false
      for (const send of waiting.splice(0)) send()
    },
    drop: () => {
      isHolding = false
      waiting = []
    },
    get held() {
      return waiting.length
    },
  }
}
