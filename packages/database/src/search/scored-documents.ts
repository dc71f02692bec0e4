/** Documents with scores, in the order of documents; and the best of them, in the order of results. */
import { compareWords, documentWords, firstFilterWord, frequencyWord, type Postings } from './postings.ts'

export type ScoredDocuments = {
  /** `documentWords` words each. */
  readonly documents: Uint32Array
  readonly scores: Float64Array
  readonly count: number
}

/** A filter on a hash in the rows. */
export type WordFilter = { readonly word: number; readonly hash: number }

/** Where the hash of a filter field stands in rows of postings. */
export function filterWord(field: number): number {
  return field === 0 ? 0 : firstFilterWord + field - 1
}

/** Scores the postings of one term that pass all filters. */
export function scorePostings(
  postings: Postings,
  filters: readonly WordFilter[],
  weight: number,
  norms: Float64Array,
): ScoredDocuments {
  const { words, stride } = postings
  const rows = filters.length === 0 ? undefined : passingRows(postings, filters)
  const count = rows === undefined ? postings.count : rows.length
  const documents = new Uint32Array(count * documentWords)
  const scores = new Float64Array(count)
  for (let position = 0; position < count; position += 1) {
    const start = (rows === undefined ? position : (rows[position] as number)) * stride
    for (let word = 0; word < documentWords; word += 1) {
      documents[position * documentWords + word] = words[start + word] as number
    }
    const packed = words[start + frequencyWord] as number
    const frequency = packed >>> 16
    scores[position] = (weight * frequency) / (frequency + (norms[(packed >>> 8) & 0xff] as number))
  }
  return { documents, scores, count }
}

function passingRows({ words, count, stride }: Postings, filters: readonly WordFilter[]): readonly number[] {
  const rows: number[] = []
  for (let row = 0; row < count; row += 1) {
    if (filters.every(({ word, hash }) => words[row * stride + word] === hash)) rows.push(row)
  }
  return rows
}

/** All documents of the parts with the sum of their scores. The order of the parts decides how rounding falls. */
export function sumScores(parts: readonly ScoredDocuments[]): ScoredDocuments {
  if (parts.length === 0) return { documents: new Uint32Array(0), scores: new Float64Array(0), count: 0 }
  let level = parts
  while (level.length > 1) {
    const next: ScoredDocuments[] = []
    for (let position = 0; position < level.length; position += 2) {
      const left = level[position] as ScoredDocuments
      const right = level[position + 1]
      next.push(right === undefined ? left : addScores(left, right))
    }
    level = next
  }
  return level[0] as ScoredDocuments
}

function addScores(a: ScoredDocuments, b: ScoredDocuments): ScoredDocuments {
  if (a.count === 0) return b
  if (b.count === 0) return a
  const documents = new Uint32Array((a.count + b.count) * documentWords)
  const scores = new Float64Array(a.count + b.count)
  let count = 0
  let nextA = 0
  let nextB = 0
  while (nextA < a.count || nextB < b.count) {
    const order =
      nextA >= a.count
        ? 1
        : nextB >= b.count
          ? -1
          : compareWords(a.documents, nextA * documentWords, b.documents, nextB * documentWords, documentWords)
    const source = order <= 0 ? a : b
    const start = (order <= 0 ? nextA : nextB) * documentWords
    for (let word = 0; word < documentWords; word += 1) {
      documents[count * documentWords + word] = source.documents[start + word] as number
    }
    let score = 0
    if (order <= 0) {
      score += a.scores[nextA] as number
      nextA += 1
    }
    if (order >= 0) {
      score += b.scores[nextB] as number
      nextB += 1
    }
    scores[count] = score
    count += 1
  }
  return { documents, scores, count }
}

const idWord = 3
const idWords = 4
const rankKeyBytes = 28
const idBytes = 16

/** The best documents: by score, then the newest, then by internal id, all descending (database.md §7.1). */
export class RankedDocuments {
  readonly #scored: ScoredDocuments
  /** Positions in `#scored`, best first. */
  readonly #order: readonly number[]
  /** How many there are beyond these. */
  readonly omitted: number

  constructor(scored: ScoredDocuments, limit: number) {
    // Scores are float32: what differs less counts as the same.
    const scores = Float32Array.from(scored.scores.subarray(0, scored.count))
    const isBetter = (a: number, b: number): boolean => {
      const difference = (scores[a] as number) - (scores[b] as number)
      if (difference !== 0) return difference > 0
      const { documents } = scored
      // Without the group: time and id alone.
      return compareWords(documents, a * documentWords + 1, documents, b * documentWords + 1, documentWords - 1) > 0
    }
    this.#scored = scored
    this.#order = selectBest(scored.count, limit, isBetter)
    this.omitted = scored.count - this.#order.length
  }

  get count(): number {
    return this.#order.length
  }

  internalId(rank: number): Uint8Array {
    const id = Buffer.alloc(idBytes)
    const start = this.#start(rank) + idWord
    for (let word = 0; word < idWords; word += 1) {
      id.writeUInt32BE(this.#scored.documents[start + word] as number, word * 4)
    }
    return new Uint8Array(id.buffer, id.byteOffset, id.length)
  }

  /** Bytes that order as the ranks do: where a page ends. */
  key(rank: number): Uint8Array {
    const key = Buffer.alloc(rankKeyBytes)
    // Scores are positive, so their bits order as they do.
    key.writeFloatBE(this.#scored.scores[this.#order[rank] as number] as number, 0)
    const start = this.#start(rank) + 1
    for (let word = 0; word < documentWords - 1; word += 1) {
      key.writeUInt32BE(this.#scored.documents[start + word] as number, 4 + word * 4)
    }
    for (let position = 0; position < key.length; position += 1) key[position] = ~(key[position] as number)
    return key
  }

  /** The first rank whose key is not before `key`. */
  findRank(key: Uint8Array): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (Buffer.compare(this.key(middle), key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  #start(rank: number): number {
    return (this.#order[rank] as number) * documentWords
  }
}

/** The best `limit` of the numbers below `count`, best first. O(count) while few of them get in. */
function selectBest(count: number, limit: number, isBetter: (a: number, b: number) => boolean): readonly number[] {
  const worst = (a: number, b: number): number => (isBetter(a, b) ? -1 : 1)
  if (count <= limit) return Array.from({ length: count }, (_, position) => position).sort(worst)
  // A heap with the worst of the chosen on top.
  const heap: number[] = []
  const sink = (from: number): void => {
    let place = from
    for (;;) {
      const left = 2 * place + 1
      if (left >= heap.length) return
      const right = left + 1
      const child = right < heap.length && isBetter(heap[left] as number, heap[right] as number) ? right : left
      if (!isBetter(heap[place] as number, heap[child] as number)) return
      ;[heap[place], heap[child]] = [heap[child] as number, heap[place] as number]
      place = child
    }
  }
  for (let position = 0; position < limit; position += 1) heap.push(position)
  for (let place = (limit >> 1) - 1; place >= 0; place -= 1) sink(place)
  for (let position = limit; position < count; position += 1) {
    if (!isBetter(position, heap[0] as number)) continue
    heap[0] = position
    sink(0)
  }
  return heap.sort(worst)
}
