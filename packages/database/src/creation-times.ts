/**
 * The `_creationTime`s of one transaction (database.md §3.1): milliseconds with a sub-millisecond fraction, each the next
 * representable number, so that they rise in insert order.
 */
export class CreationTimes {
  #next: number

  /** `baseNs`: above the snapshot's ts and not behind the wall clock. */
  constructor(baseNs: bigint) {
    this.#next = Number(baseNs / 1_000_000n) + Number(baseNs % 1_000_000n) * 1e-6
  }

  next(): number {
    const time = this.#next
    scratchFloat[0] = time
    scratchBits[0] = (scratchBits[0] as bigint) + 1n
    this.#next = scratchFloat[0]
    return time
  }
}

// The bits of one number at a time, within one call.
const scratchFloat = new Float64Array(1)
const scratchBits = new BigUint64Array(scratchFloat.buffer)
