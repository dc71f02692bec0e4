/** Waiting for something that nobody announces: asks again until it holds. */
import { setTimeout as delay } from 'node:timers/promises'

const askAgainMs = 20

/** The first answer of `probe` that is not undefined. Throws, naming `what`, after `timeoutMs`. */
export async function waitFor<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
  timeoutMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const answer = await probe()
    if (answer !== undefined) return answer
    if (performance.now() > deadline) throw new Error(`Waited ${timeoutMs} ms in vain for ${what}.`)
    await delay(askAgainMs)
  }
}
