/** `URL` and `URLSearchParams` (WHATWG URL §6). */
import { assertMutable } from '../frozen-state.ts'
import { keep } from '../kept-values.ts'
import { defineInterface, toUsvString } from './interface.ts'
import { type NameValue, parseForm, percentEncode, serializeForm, userinfoSet } from './url-encoding.ts'
import {
  parseInto,
  parseUrl,
  type ParserState,
  serializeHost,
  serializeOrigin,
  serializePath,
  serializeUrl,
  type UrlRecord,
} from './url-parser.ts'

/** Internal access between a URL and its search parameters. */
let replaceList: (params: URLSearchParams, query: string) => void
let connect: (params: URLSearchParams, onChange: (query: string) => void) => void

export class URLSearchParams {
  #list: NameValue[] = []
  #onChange: ((query: string) => void) | undefined

  static {
    replaceList = (params, query) => {
      params.#list = parseForm(query)
    }
    connect = (params, onChange) => {
      params.#onChange = onChange
    }
  }

  constructor(init: unknown = '') {
    const isObject = (typeof init === 'object' && init !== null) || typeof init === 'function'
    if (!isObject) {
      const text = toUsvString(init)
      this.#list = parseForm(text.startsWith('?') ? text.slice(1) : text)
    } else if (Symbol.iterator in init) {
      for (const pair of init as Iterable<Iterable<unknown>>) {
        const items = [...pair]
        if (items.length !== 2) throw new TypeError('Each query pair must be an iterable [name, value] tuple')
        this.#list.push([toUsvString(items[0]), toUsvString(items[1])])
      }
    } else for (const name of Object.keys(init)) this.#set(name, (init as Record<string, unknown>)[name])
  }

  get size(): number {
    return this.#list.length
  }

  append(name: unknown, value: unknown): void {
    assertMutable(this)
    this.#list.push([toUsvString(name), toUsvString(value)])
    this.#update()
  }
  delete(name: unknown, value?: unknown): void {
    assertMutable(this)
    const wanted = toUsvString(name)
    const wantedValue = value === undefined ? undefined : toUsvString(value)
    this.#list = this.#list.filter(
      ([known, item]) => known !== wanted || (wantedValue !== undefined && item !== wantedValue),
    )
    this.#update()
  }
  get(name: unknown): string | null {
    const wanted = toUsvString(name)
    return this.#list.find(([known]) => known === wanted)?.[1] ?? null
  }
  getAll(name: unknown): string[] {
    const wanted = toUsvString(name)
    return this.#list.filter(([known]) => known === wanted).map(([, value]) => value)
  }
  has(name: unknown, value?: unknown): boolean {
    const wanted = toUsvString(name)
    const wantedValue = value === undefined ? undefined : toUsvString(value)
    return this.#list.some(([known, item]) => known === wanted && (wantedValue === undefined || item === wantedValue))
  }
  set(name: unknown, value: unknown): void {
    assertMutable(this)
    this.#set(toUsvString(name), value)
    this.#update()
  }
  sort(): void {
    assertMutable(this)
    this.#list.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    this.#update()
  }
  forEach(visit: (value: string, name: string, params: URLSearchParams) => void, self?: unknown): void {
    for (const [name, value] of this) visit.call(self, value, name, this)
  }
  *keys(): Generator<string> {
    for (const [name] of this.#live()) yield name
  }
  *values(): Generator<string> {
    for (const [, value] of this.#live()) yield value
  }
  *entries(): Generator<NameValue> {
    for (const [name, value] of this.#live()) yield [name, value]
  }
  [Symbol.iterator](): Generator<NameValue> {
    return this.entries()
  }
  toString(): string {
    return serializeForm(this.#list)
  }

  /** Iteration sees changes made on the way. */
  *#live(): Generator<NameValue> {
    for (let i = 0; i < this.#list.length; i++) yield this.#list[i] as NameValue
  }

  #set(name: string, value: unknown): void {
    const wanted = toUsvString(name)
    const entry: NameValue = [wanted, toUsvString(value)]
    const index = this.#list.findIndex(([known]) => known === wanted)
    if (index === -1) this.#list.push(entry)
    else this.#list = this.#list.flatMap((old, at) => (old[0] !== wanted ? [old] : at === index ? [entry] : []))
  }

  #update(): void {
    this.#onChange?.(this.toString())
  }
}

class InvalidUrlError extends TypeError {
  readonly code = 'ERR_INVALID_URL'
}
Object.defineProperty(InvalidUrlError.prototype, 'name', { value: 'TypeError' })

function parseWithBase(input: unknown, base: unknown): UrlRecord | undefined {
  const text = toUsvString(input)
  if (base === undefined) return parseUrl(text)
  const parsedBase = parseUrl(toUsvString(base))
  return parsedBase === undefined ? undefined : parseUrl(text, parsedBase)
}

export class URL {
  #record: UrlRecord
  readonly #params: URLSearchParams

  constructor(input: unknown, base?: unknown) {
    if (arguments.length === 0) throw new TypeError("Failed to construct 'URL': 1 argument required.")
    const record = parseWithBase(input, base)
    if (record === undefined) throw new InvalidUrlError(`Invalid URL: '${toUsvString(input)}'`)
    this.#record = record
    this.#params = keep(new URLSearchParams(record.query ?? ''))
    connect(this.#params, (query) => {
      this.#record.query = query === '' ? null : query
    })
  }

  static canParse(input: unknown, base?: unknown): boolean {
    return parseWithBase(input, base) !== undefined
  }
  static parse(input: unknown, base?: unknown): URL | null {
    const record = parseWithBase(input, base)
    return record === undefined ? null : new URL(serializeUrl(record))
  }

  get href(): string {
    return serializeUrl(this.#record)
  }
  set href(value: unknown) {
    assertMutable(this)
    const record = parseUrl(toUsvString(value))
    if (record === undefined) throw new InvalidUrlError(`Invalid URL: '${toUsvString(value)}'`)
    this.#record = record
    replaceList(this.#params, record.query ?? '')
  }
  get origin(): string {
    return serializeOrigin(this.#record)
  }
  get protocol(): string {
    return `${this.#record.scheme}:`
  }
  set protocol(value: unknown) {
    this.#change(`${toUsvString(value)}:`, 'schemeStart')
  }
  get username(): string {
    return this.#record.username
  }
  set username(value: unknown) {
    assertMutable(this)
    if (this.#mayHaveCredentials()) this.#record.username = percentEncode(toUsvString(value), userinfoSet)
  }
  get password(): string {
    return this.#record.password
  }
  set password(value: unknown) {
    assertMutable(this)
    if (this.#mayHaveCredentials()) this.#record.password = percentEncode(toUsvString(value), userinfoSet)
  }
  get host(): string {
    return serializeHost(this.#record)
  }
  set host(value: unknown) {
    if (typeof this.#record.path !== 'string') this.#change(toUsvString(value), 'host')
  }
  get hostname(): string {
    return this.#record.host ?? ''
  }
  set hostname(value: unknown) {
    if (typeof this.#record.path !== 'string') this.#change(toUsvString(value), 'hostname')
  }
  get port(): string {
    return this.#record.port === null ? '' : String(this.#record.port)
  }
  set port(value: unknown) {
    assertMutable(this)
    if (!this.#mayHaveCredentials()) return
    const text = toUsvString(value)
    if (text === '') this.#record.port = null
    else this.#change(text, 'port')
  }
  get pathname(): string {
    return serializePath(this.#record)
  }
  set pathname(value: unknown) {
    assertMutable(this)
    if (typeof this.#record.path === 'string') return
    this.#record.path = []
    this.#change(toUsvString(value), 'pathStart')
  }
  get search(): string {
    return this.#record.query === null || this.#record.query === '' ? '' : `?${this.#record.query}`
  }
  set search(value: unknown) {
    assertMutable(this)
    const text = toUsvString(value)
    const query = text.startsWith('?') ? text.slice(1) : text
    this.#record.query = text === '' ? null : ''
    if (text !== '') this.#change(query, 'query')
    replaceList(this.#params, this.#record.query ?? '')
  }
  get searchParams(): URLSearchParams {
    return this.#params
  }
  get hash(): string {
    return this.#record.fragment === null || this.#record.fragment === '' ? '' : `#${this.#record.fragment}`
  }
  set hash(value: unknown) {
    assertMutable(this)
    const text = toUsvString(value)
    this.#record.fragment = text === '' ? null : ''
    if (text !== '') this.#change(text.startsWith('#') ? text.slice(1) : text, 'fragment')
  }
  toString(): string {
    return this.href
  }
  toJSON(): string {
    return this.href
  }

  #mayHaveCredentials(): boolean {
    return this.#record.host !== null && this.#record.host !== '' && this.#record.scheme !== 'file'
  }

  /** A part that does not parse leaves the URL as it was, except for what the parser took before it stopped. */
  #change(input: string, state: ParserState): void {
    assertMutable(this)
    const copy: UrlRecord = {
      ...this.#record,
      path: typeof this.#record.path === 'string' ? this.#record.path : [...this.#record.path],
    }
    if (parseInto(copy, input, state) || isPartlyUsable(state)) this.#record = copy
  }
}

/** A host setter given `name:badport` keeps the name. */
function isPartlyUsable(state: ParserState): boolean {
  return state === 'host'
}

export function installUrl(): void {
  defineInterface('URL', URL)
  defineInterface('URLSearchParams', URLSearchParams)
}
