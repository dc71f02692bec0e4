/** Scoring of rows of a vector index; see `vector-keys.ts` for what is in them. Runs in the worker thread. */

/** Rows of `stride` words each in the machine's byte order, in memory that threads share. */
export type VectorRows = { readonly memory: SharedArrayBuffer; readonly count: number }

/** A word position in rows and what must stand there. */
export type WordsFilter = { readonly word: number; readonly hash: readonly number[] }

export type ScoreRequest = {
  readonly rows: readonly VectorRows[]
  readonly stride: number
  readonly vector: Float32Array
  /** Any of these must hold; undefined: all rows pass. */
  readonly filters: readonly WordsFilter[] | undefined
  /** Group and id words of rows that do not count. */
  readonly hidden: readonly (readonly number[])[]
  readonly limit: number
}

/** Best first. `id`: four words. */
export type ScoredVector = { readonly id: readonly number[]; readonly score: number }

export const idWord = 4
const idWords = 4
export const vectorWord = 8

export function scoreVectors(request: ScoreRequest): readonly ScoredVector[] {
  const { rows, stride, vector, filters, hidden, limit } = request
  const best: ScoredVector[] = []
  const hiddenNames = new Set(hidden.map((words) => words.join()))
  const hiddenWords = new Set(hidden.map((words) => words[idWord]))
  for (const { memory, count } of rows) {
    const words = new Uint32Array(memory, 0, count * stride)
    const floats = new Float32Array(memory, 0, count * stride)
    for (let start = 0; start < words.length; start += stride) {
      if (filters !== undefined && !passes(words, start, filters)) continue
      const isSuspect = hiddenWords.size > 0 && hiddenWords.has(words[start + idWord])
      if (isSuspect && hiddenNames.has(words.subarray(start, start + vectorWord).join())) continue
      const score = multiply(floats, start + vectorWord, vector)
      const worst = best.at(-1)
      if (best.length >= limit && worst !== undefined && score < worst.score) continue
      addRanked(best, { id: Array.from(words.subarray(start + idWord, start + idWord + idWords)), score }, limit)
    }
  }
  return best
}

/** Puts a result where it belongs: by score, then by id, both descending. */
export function addRanked(best: ScoredVector[], next: ScoredVector, limit: number): void {
  let low = 0
  let high = best.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBefore(best[middle] as ScoredVector, next)) low = middle + 1
    else high = middle
  }
  best.splice(low, 0, next)
  if (best.length > limit) best.pop()
}

function isBefore(a: ScoredVector, b: ScoredVector): boolean {
  if (a.score !== b.score) return a.score > b.score
  for (let word = 0; word < idWords; word += 1) {
    const difference = (a.id[word] as number) - (b.id[word] as number)
    if (difference !== 0) return difference > 0
  }
  return false
}

function passes(words: Uint32Array, start: number, filters: readonly WordsFilter[]): boolean {
  for (const { word, hash } of filters) {
    let isEqual = true
    for (let position = 0; position < hash.length && isEqual; position += 1) {
      isEqual = words[start + word + position] === hash[position]
    }
    if (isEqual) return true
  }
  return false
}

/** Four sums at a time, which the processor adds up side by side. */
function multiply(rows: Float32Array, start: number, vector: Float32Array): number {
  const { length } = vector
  const whole = length - (length % 4)
  let sum0 = 0
  let sum1 = 0
  let sum2 = 0
  let sum3 = 0
  for (let position = 0; position < whole; position += 4) {
    sum0 += (rows[start + position] as number) * (vector[position] as number)
    sum1 += (rows[start + position + 1] as number) * (vector[position + 1] as number)
    sum2 += (rows[start + position + 2] as number) * (vector[position + 2] as number)
    sum3 += (rows[start + position + 3] as number) * (vector[position + 3] as number)
  }
  for (let position = whole; position < length; position += 1) {
    sum0 += (rows[start + position] as number) * (vector[position] as number)
  }
  return sum0 + sum1 + sum2 + sum3
}
