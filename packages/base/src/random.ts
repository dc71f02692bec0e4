import { randomFillSync } from 'node:crypto'

/** A source of random bytes, injected so that simulations are repeatable. */
export interface Random {
  /** `length` fresh bytes, cryptographically strong in production. */
  bytes(length: number): Uint8Array
}

export const systemRandom: Random = {
  bytes: (length) => randomFillSync(new Uint8Array(length)),
}
