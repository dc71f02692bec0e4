import type { ExecuteRequest, SentCall } from '@concave/runtime'

/** A mutation that may be sent to its runner before its turn in the lane. */
export class EarlyCall {
  readonly #send: () => SentCall | undefined
  #sent: SentCall | undefined

  constructor(send: () => SentCall | undefined) {
    this.#send = send
  }

  /** Whether it is on its way. */
  prepare(): boolean {
    if (this.#sent?.isUsable() === true) return true
    this.#sent = this.#send()
    return this.#sent !== undefined
  }

  /** What was sent, if that is the call that `request` asks for: everything but its time and its seed is equal. */
  take(request: ExecuteRequest): SentCall | undefined {
    const sent = this.#sent
    if (sent === undefined || !isSame(sent.request, request)) return undefined
    this.#sent = undefined
    return sent
  }

  /** It is not needed any more. */
  drop(): void {
    this.#sent?.cancel()
    this.#sent = undefined
  }
}

function isSame(sent: ExecuteRequest, request: ExecuteRequest): boolean {
  return (
    sent.code.version === request.code.version &&
    sent.env.version === request.env.version &&
    sent.argsText === request.argsText
  )
}
