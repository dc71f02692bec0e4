/**
 * What a transaction looked at: per index, a set of key intervals. It decides conflicts and invalidation alike
 * (database.md §5.2). Adding is cheap because a running function adds far more often than anyone asks; overlapping
 * intervals are merged when the set is first asked after a change.
 *
 * Keys are kept, not copied: whoever adds one must not change its bytes afterwards.
 */
import { bytesCompare, bytesEqual } from '@concave/base'
import type { IndexId, KeyRange } from '@concave/storage'

/** Keys `[from, to)` of one index in memcmp order; `to` undefined = to the end. */
export type Interval = KeyRange & { readonly index: IndexId }

export class ReadSet {
  readonly #byIndex = new Map<IndexId, RangeSet>()

  /** Adds `[from, to)`; an empty interval adds nothing. O(1) amortised. */
  addInterval(index: IndexId, from: Uint8Array, to: Uint8Array | undefined): void {
    if (to !== undefined && bytesCompare(from, to) >= 0) return
    let ranges = this.#byIndex.get(index)
    if (ranges === undefined) {
      ranges = new RangeSet()
      this.#byIndex.set(index, ranges)
    }
    ranges.add({ from, to })
  }

  /** Adds the one key, whether or not an entry has it: "not found" is a read. */
  addKey(index: IndexId, key: Uint8Array): void {
    this.addInterval(index, key, keyAfter(key))
  }

  addAll(other: ReadSet): void {
    for (const { index, from, to } of other.intervals()) this.addInterval(index, from, to)
  }

  /** Whether `key` lies in an interval of `index`. O(log intervals). */
  overlaps(index: IndexId, key: Uint8Array): boolean {
    return this.#byIndex.get(index)?.contains(key) ?? false
  }

  /** The indexes that were looked at. */
  indexes(): Iterable<IndexId> {
    return this.#byIndex.keys()
  }

  /** Disjoint, not adjacent, ascending within an index. */
  *intervals(): Iterable<Interval> {
    for (const [index, ranges] of this.#byIndex) {
      for (const { from, to } of ranges.merged()) yield { index, from, to }
    }
  }

  /** Number of disjoint intervals. */
  get size(): number {
    let size = 0
    for (const ranges of this.#byIndex.values()) size += ranges.merged().length
    return size
  }

  clone(): ReadSet {
    const copy = new ReadSet()
    for (const [index, ranges] of this.#byIndex) copy.#byIndex.set(index, ranges.clone())
    return copy
  }
}

/** The least key above `key`. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1)
  next.set(key)
  return next
}

/** Whether the range holds exactly one key, `range.from`. */
export function isSingleKey({ from, to }: KeyRange): boolean {
  return (
    to !== undefined &&
    to.length === from.length + 1 &&
    to[from.length] === 0 &&
    bytesEqual(to.subarray(0, from.length), from)
  )
}

/** Compares two range ends, undefined being the greatest. */
export function compareEnds(a: Uint8Array | undefined, b: Uint8Array | undefined): number {
  if (a === undefined) return b === undefined ? 0 : 1
  return b === undefined ? -1 : bytesCompare(a, b)
}

/** The intervals of one index: merged ones in order, and those that came since. */
class RangeSet {
  #merged: readonly KeyRange[] = []
  #added: KeyRange[] = []

  add(range: KeyRange): void {
    const last = this.#added.at(-1)
    // A cursor that advances reports its interval again with a later end; a point may be read many times.
    if (last !== undefined && touchesEnd(last, range.from)) {
      this.#added[this.#added.length - 1] = union(last, range)
    } else {
      this.#added.push(range)
    }
  }

  merged(): readonly KeyRange[] {
    if (this.#added.length > 0) {
      this.#merged = mergeRanges([...this.#merged, ...this.#added])
      this.#added = []
    }
    return this.#merged
  }

  contains(key: Uint8Array): boolean {
    const ranges = this.merged()
    let low = 0
    let high = ranges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const range = ranges[middle]
      if (range !== undefined && bytesCompare(range.from, key) <= 0) low = middle + 1
      else high = middle
    }
    const candidate = ranges[low - 1]
    return candidate !== undefined && (candidate.to === undefined || bytesCompare(key, candidate.to) < 0)
  }

  clone(): RangeSet {
    const copy = new RangeSet()
    copy.#merged = this.merged()
    return copy
  }
}

/** Whether `from` lies in `range` or right behind it. */
function touchesEnd(range: KeyRange, from: Uint8Array): boolean {
  return bytesCompare(range.from, from) <= 0 && (range.to === undefined || bytesCompare(from, range.to) <= 0)
}

/** Joins `next`, which starts in or right behind `range`. */
function union(range: KeyRange, next: KeyRange): KeyRange {
  return compareEnds(range.to, next.to) >= 0 ? range : { from: range.from, to: next.to }
}

function mergeRanges(ranges: KeyRange[]): readonly KeyRange[] {
  ranges.sort((a, b) => bytesCompare(a.from, b.from))
  const merged: KeyRange[] = []
  for (const range of ranges) {
    const last = merged.at(-1)
    if (last !== undefined && touchesEnd(last, range.from)) merged[merged.length - 1] = union(last, range)
    else merged.push(range)
  }
  return merged
}
