/** Things in the order of their last use, with the sum of their sizes. Intrusive: a thing is in one list at most. */
export interface LruItem<T> {
  readonly sizeBytes: number
  /** The neighbours in the list, which alone sets them. */
  newer: T | undefined
  older: T | undefined
}

export class LruList<T extends LruItem<T>> {
  #newest: T | undefined
  #oldest: T | undefined
  #sizeBytes = 0

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  get oldest(): T | undefined {
    return this.#oldest
  }

  /** Adds an item that is in no list, as the newest. */
  add(item: T): void {
    this.#sizeBytes += item.sizeBytes
    this.#link(item)
  }

  /** The item has been used: it becomes the newest. */
  touch(item: T): void {
    if (item === this.#newest) return
    this.#unlink(item)
    this.#link(item)
  }

  /** Removes an item that is in the list. */
  remove(item: T): void {
    this.#sizeBytes -= item.sizeBytes
    this.#unlink(item)
  }

  #link(item: T): void {
    item.older = this.#newest
    if (this.#newest === undefined) this.#oldest = item
    else this.#newest.newer = item
    this.#newest = item
  }

  #unlink(item: T): void {
    const { newer, older } = item
    if (newer === undefined) this.#newest = older
    else newer.older = older
    if (older === undefined) this.#oldest = newer
    else older.newer = newer
    item.newer = undefined
    item.older = undefined
  }
}
