import { randomFillSync } from 'node:crypto'

/** A source of random bytes, injected so that simulations are repeatable. */
export interface Random {
  /** `length` fresh bytes, cryptographically strong in production. */
  bytes(length: number): Uint8Array
}

/** Asking the operating system costs more than all else that a small transaction does in one place: ask for many at once. */
const poolBytes = 8192
const largestFromPool = 64

class SystemRandom implements Random {
  #pool = new Uint8Array(0)
  #position = 0

  bytes(length: number): Uint8Array {
    if (length > largestFromPool) return randomFillSync(new Uint8Array(length))
    if (this.#position + length > this.#pool.length) {
      this.#pool = randomFillSync(new Uint8Array(poolBytes))
      this.#position = 0
    }
    const bytes = this.#pool.slice(this.#position, this.#position + length)
    // What was given out is nobody's to find here.
    this.#pool.fill(0, this.#position, this.#position + length)
    this.#position += length
    return bytes
  }
}

export const systemRandom: Random = new SystemRandom()
