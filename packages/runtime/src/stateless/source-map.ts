/**
 * Adjusts a source map to a text into which something was inserted without changing its lines. Only generated columns
 * move, and in `mappings` (ECMA-426) they are the first number of each segment, relative within its line.
 */

/** `length` characters inserted at `column` of `line`, both 0-based and of the text before any insertion. In order. */
export type InsertedColumns = { readonly line: number; readonly column: number; readonly length: number }

/** The map's JSON text for the new source. Throws a SyntaxError if `sourceMap` is no JSON. */
export function shiftSourceMap(sourceMap: string, inserted: readonly InsertedColumns[]): string {
  const map = JSON.parse(sourceMap) as { mappings?: unknown }
  if (typeof map.mappings !== 'string' || inserted.length === 0) return sourceMap
  const byLine = Map.groupBy(inserted, ({ line }) => line)
  const lines = map.mappings.split(';').map((segments, line) => {
    const ofLine = byLine.get(line)
    return ofLine === undefined ? segments : shiftLine(segments, ofLine)
  })
  return JSON.stringify({ ...map, mappings: lines.join(';') })
}

function shiftLine(segments: string, inserted: readonly InsertedColumns[]): string {
  let column = 0
  let lastShifted = 0
  let next = 0
  let shift = 0
  return segments
    .split(',')
    .map((segment) => {
      if (segment === '') return segment
      const { value, end } = decodeFirst(segment)
      column += value
      for (; next < inserted.length && (inserted[next]?.column ?? 0) <= column; next++)
        shift += inserted[next]?.length ?? 0
      const shifted = column + shift
      const delta = shifted - lastShifted
      lastShifted = shifted
      return encode(delta) + segment.slice(end)
    })
    .join(',')
}

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** Base64 VLQ: five bits per digit, lowest first, the sixth says that more follow; the lowest bit is the sign. */
function decodeFirst(segment: string): { readonly value: number; readonly end: number } {
  let bits = 0
  let end = 0
  for (let more = true; more; end++) {
    const digit = digits.indexOf(segment[end] ?? 'A')
    bits += (digit & 31) * 2 ** (5 * end)
    more = (digit & 32) !== 0
  }
  const magnitude = Math.floor(bits / 2)
  return { value: bits % 2 === 1 ? -magnitude : magnitude, end }
}

function encode(value: number): string {
  let bits = value < 0 ? -value * 2 + 1 : value * 2
  let text = ''
  do {
    const low = bits % 32
    bits = Math.floor(bits / 32)
    text += digits[bits > 0 ? low + 32 : low] ?? ''
  } while (bits > 0)
  return text
}
