/**
 * How long one call may keep others waiting before the next one starts beside it: at least `minMs`, longer where calls
 * usually take longer, as on a busy machine. There more of them at once would only be in each other's way.
 */
export class Patience {
  readonly #minMs: number
  #typicalMs = 0

  constructor(options: { readonly minMs: number }) {
    this.#minMs = options.minMs
  }

  get ms(): number {
    return Math.max(this.#minMs, timesTypical * this.#typicalMs)
  }

  /** A call has taken `ms`. One that takes much longer than usual does not count for more. */
  record(ms: number): void {
    this.#typicalMs += (Math.min(ms, this.ms) - this.#typicalMs) * weightOfLatest
  }
}

const timesTypical = 4
const weightOfLatest = 0.05
