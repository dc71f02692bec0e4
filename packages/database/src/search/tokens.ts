import { textLimits } from './text-limits.ts'

/**
 * Splits text into the terms of text indexes and searches (database.md §7.1): runs of Unicode letters and numbers,
 * lower-cased, without those that are too long. No stemming, no stop words, no folding of accents.
 */
export function tokenize(text: string, maxTokens = Number.MAX_SAFE_INTEGER): readonly string[] {
  const tokens: string[] = []
  for (const [word] of text.matchAll(words)) {
    if (word.length > textLimits.maxTermBytes || Buffer.byteLength(word) > textLimits.maxTermBytes) continue
    tokens.push(toLowerCase(word))
    if (tokens.length >= maxTokens) break
  }
  return tokens
}

const words = /[\p{Alphabetic}\p{N}]+/gu
// oxlint-disable-next-line no-control-regex -- plain ASCII is what it means
const ascii = /^[\x00-\x7f]*$/

/** Character by character: a final sigma is no other letter than the one a longer word goes on with. */
function toLowerCase(word: string): string {
  if (ascii.test(word)) return word.toLowerCase()
  return Array.from(word, (character) => character.toLowerCase()).join('')
}
