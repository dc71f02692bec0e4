/**
 * `JSON.parse` without a fault of V8 13.6 (Node 24): where it expects the keys of an earlier object, it takes a key with
 * escapes for an expected key that begins with the same raw text. After `{"\\":1}` it reads `{"\"":1}` as an object with the
 * key `\`. Field names may hold quotes and backslashes, so such keys are kept from it. Safe for any text; a text without
 * escaped keys costs one search for backslashes.
 */

/** The parsed text. Throws `SyntaxError` as `JSON.parse` does. */
export function parseJson(text: string): unknown {
  const keys = findEscapedKeys(text)
  return keys.length === 0 ? JSON.parse(text) : parseWithout(keys, text)
}

/** A key literal within the text, quotes included. */
type KeyLiteral = { readonly start: number; readonly end: number }

/** In order. Every escape is visited once: a backslash is legal only inside a string. */
function findEscapedKeys(text: string): KeyLiteral[] {
  const keys: KeyLiteral[] = []
  let backslash = text.indexOf('\\')
  while (backslash >= 0) {
    const end = endOfString(text, backslash)
    if (isFollowedByColon(text, end)) {
      // The first escape of its string: the quote before it opens the string.
      keys.push({ start: text.lastIndexOf('"', backslash), end })
    }
    backslash = text.indexOf('\\', end)
  }
  return keys
}

/** The position after the quote that closes the string, or the end of an unfinished text. */
function endOfString(text: string, backslash: number): number {
  for (let i = backslash; i < text.length; i++) {
    const character = text[i]
    if (character === '"') return i + 1
    if (character === '\\') i += 1
  }
  return text.length
}

function isFollowedByColon(text: string, end: number): boolean {
  for (let i = end; i < text.length; i++) {
    const character = text[i]
    if (character === ':') return true
    if (character !== ' ' && character !== '\n' && character !== '\r' && character !== '\t') return false
  }
  return false
}

/** Parses the text with stand-ins for the escaped keys, then puts the names in their places. */
function parseWithout(keys: readonly KeyLiteral[], text: string): unknown {
  const mark = unusedMark(text)
  const names = new Map<string, string>()
  let rewritten = ''
  let position = 0
  for (const { start, end } of keys) {
    const standIn = `${mark}${names.size}`
    // A text of one string has no keys to be mistaken for.
    names.set(standIn, JSON.parse(text.slice(start, end)) as string)
    rewritten += `${text.slice(position, start)}"${standIn}"`
    position = end
  }
  rewritten += text.slice(position)
  return JSON.parse(rewritten, (_key, value: unknown) => (isObject(value) ? renamed(value, names) : value))
}

function unusedMark(text: string): string {
  let mark = '\uE000'
  while (text.includes(mark)) mark += '\uE000'
  return mark
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function renamed(object: Readonly<Record<string, unknown>>, names: ReadonlyMap<string, string>): unknown {
  const entries = Object.entries(object)
  if (!entries.some(([key]) => names.has(key))) return object
  // Creates own fields, `__proto__` too.
  return Object.fromEntries(entries.map(([key, value]) => [names.get(key) ?? key, value]))
}
