/** `Headers` (WHATWG Fetch §5.1): names are case-insensitive and listed sorted; `Set-Cookie` values stay apart. */
import { assertMutable } from '../frozen-state.ts'
import { defineHidden } from '../primordials.ts'
import { defineInterface } from './interface.ts'

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
// Tab, space, visible ASCII and the upper half of latin-1: header strings are byte strings.
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/

function toName(value: unknown): string {
  const name = String(value)
  if (!token.test(name)) throw new TypeError(`Invalid header name: ${JSON.stringify(name)}`)
  return name.toLowerCase()
}

function toValue(value: unknown): string {
  const text = String(value).replaceAll(/^[\t\n\r ]+|[\t\n\r ]+$/g, '')
  if (!fieldValue.test(text)) throw new TypeError(`Invalid header value: ${JSON.stringify(text)}`)
  return text
}

/** Makes headers refuse every change: those of a response that was received (WHATWG Fetch §5.1, guard `immutable`). */
export let guardHeaders: (headers: Headers) => void

export class Headers {
  #pairs: [string, string][] = []
  #isImmutable = false

  static {
    guardHeaders = (headers) => (headers.#isImmutable = true)
  }

  constructor(init?: unknown) {
    if (init === undefined) return
    if (typeof init !== 'object' || init === null) throw new TypeError('Headers must be built from an object')
    if (Symbol.iterator in init) {
      for (const pair of init as Iterable<Iterable<unknown>>) {
        const [name, value, ...rest] = [...pair]
        if (value === undefined || rest.length > 0) throw new TypeError('Each header pair must be a name and a value')
        this.append(name, value)
      }
    } else for (const name of Object.keys(init)) this.append(name, (init as Record<string, unknown>)[name])
  }

  append(name: unknown, value: unknown): void {
    const entry: [string, string] = [toName(name), toValue(value)]
    this.#assertMutable()
    this.#pairs.push(entry)
  }
  delete(name: unknown): void {
    const wanted = toName(name)
    this.#assertMutable()
    this.#pairs = this.#pairs.filter(([known]) => known !== wanted)
  }
  get(name: unknown): string | null {
    const wanted = toName(name)
    const values = this.#pairs.filter(([known]) => known === wanted).map(([, value]) => value)
    return values.length === 0 ? null : values.join(', ')
  }
  getSetCookie(): string[] {
    return this.#pairs.filter(([known]) => known === 'set-cookie').map(([, value]) => value)
  }
  has(name: unknown): boolean {
    const wanted = toName(name)
    return this.#pairs.some(([known]) => known === wanted)
  }
  set(name: unknown, value: unknown): void {
    const wanted = toName(name)
    const entry: [string, string] = [wanted, toValue(value)]
    this.#assertMutable()
    const index = this.#pairs.findIndex(([known]) => known === wanted)
    if (index === -1) this.#pairs.push(entry)
    else this.#pairs = this.#pairs.flatMap((old, at) => (old[0] !== wanted ? [old] : at === index ? [entry] : []))
  }
  forEach(visit: (value: string, name: string, headers: Headers) => void, self?: unknown): void {
    for (const [name, value] of this) visit.call(self, value, name, this)
  }
  *keys(): Generator<string> {
    for (const [name] of this.#sorted()) yield name
  }
  *values(): Generator<string> {
    for (const [, value] of this.#sorted()) yield value
  }
  *entries(): Generator<[string, string]> {
    yield* this.#sorted()
  }
  declare [Symbol.iterator]: () => Generator<[string, string]>

  #assertMutable(): void {
    assertMutable(this)
    if (this.#isImmutable) throw new TypeError('Headers are immutable')
  }

  #sorted(): [string, string][] {
    const names = [...new Set(this.#pairs.map(([name]) => name))].sort((a, b) => (a < b ? -1 : 1))
    return names.flatMap((name): [string, string][] =>
      name === 'set-cookie' ? this.getSetCookie().map((value) => [name, value]) : [[name, this.get(name) as string]],
    )
  }
}

export function installHeaders(): void {
  // oxlint-disable-next-line typescript/unbound-method -- one method under two names
  defineHidden(Headers.prototype, Symbol.iterator, Headers.prototype.entries)
  defineInterface('Headers', Headers)
}
