/**
 * Insertions into a source text. Each is tied to a range of the original: `before` goes in front of it, `after` behind
 * it. Where several meet at one offset they nest as their ranges do, whatever the order in which they were added; of
 * equal ranges the one added first is the outer one.
 */
import type { InsertedColumns } from './source-map.ts'

type Insertion = { readonly offset: number; readonly other: number; readonly order: number; readonly text: string }

export class Edits {
  readonly #opening: Insertion[] = []
  readonly #closing: Insertion[] = []

  enclose(start: number, end: number, before: string, after: string): void {
    const order = this.#opening.length
    this.#opening.push({ offset: start, other: end, order, text: before })
    this.#closing.push({ offset: end, other: start, order, text: after })
  }

  /** The new text, and where what was inserted. */
  apply(source: string): { readonly text: string; readonly inserted: readonly InsertedColumns[] } {
    // Outer ranges open first and close last.
    const opening = this.#opening.toSorted((a, b) => a.offset - b.offset || b.other - a.other || a.order - b.order)
    const closing = this.#closing.toSorted((a, b) => a.offset - b.offset || b.other - a.other || b.order - a.order)
    const parts: string[] = []
    const inserted: InsertedColumns[] = []
    let line = 0
    let lineStart = 0
    let copied = 0
    let open = 0
    let close = 0
    while (open < opening.length || close < closing.length) {
      const nextOpen = opening[open]
      const nextClose = closing[close]
      const closesFirst = nextClose !== undefined && (nextOpen === undefined || nextClose.offset <= nextOpen.offset)
      const insertion = closesFirst ? nextClose : nextOpen
      if (insertion === undefined) break
      if (closesFirst) close += 1
      else open += 1
      for (
        let at = source.indexOf('\n', lineStart);
        at >= 0 && at < insertion.offset;
        at = source.indexOf('\n', lineStart)
      ) {
        line += 1
        lineStart = at + 1
      }
      parts.push(source.slice(copied, insertion.offset))
      const text = startsWord(insertion.text) && endsWord(parts) ? ` ${insertion.text}` : insertion.text
      parts.push(text)
      if (text !== '') inserted.push({ line, column: insertion.offset - lineStart, length: text.length })
      copied = insertion.offset
    }
    parts.push(source.slice(copied))
    return { text: parts.join(''), inserted }
  }
}

const startsWord = (text: string): boolean => /^[\w$]/.test(text)

/** Keywords may touch what follows: `else(x)=1`. */
function endsWord(parts: readonly string[]): boolean {
  const last = parts.findLast((part) => part !== '')
  return last !== undefined && /[\p{ID_Continue}$]$/u.test(last)
}
