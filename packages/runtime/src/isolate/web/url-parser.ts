/** The URL parser (WHATWG URL §4.4) as a state machine over code points, and the serializer. */
import { invalidHost, parseHost } from './url-host.ts'
import {
  c0ControlSet,
  type EncodeSet,
  fragmentSet,
  pathSet,
  percentEncode,
  querySet,
  specialQuerySet,
  userinfoSet,
} from './url-encoding.ts'

export type UrlRecord = {
  scheme: string
  username: string
  password: string
  host: string | null
  port: number | null
  /** A string for URLs like `mailto:x`, whose path has no segments. */
  path: string[] | string
  query: string | null
  fragment: string | null
}

export type ParserState =
  | 'schemeStart'
  | 'scheme'
  | 'noScheme'
  | 'specialRelativeOrAuthority'
  | 'pathOrAuthority'
  | 'relative'
  | 'relativeSlash'
  | 'specialAuthoritySlashes'
  | 'specialAuthorityIgnoreSlashes'
  | 'authority'
  | 'host'
  | 'hostname'
  | 'port'
  | 'file'
  | 'fileSlash'
  | 'fileHost'
  | 'pathStart'
  | 'path'
  | 'opaquePath'
  | 'query'
  | 'fragment'

const defaultPorts: ReadonlyMap<string, number | null> = new Map([
  ['ftp', 21],
  ['file', null],
  ['http', 80],
  ['https', 443],
  ['ws', 80],
  ['wss', 443],
])

export const isSpecial = (url: UrlRecord): boolean => defaultPorts.has(url.scheme)
const isLetter = (c: string): boolean => /^[a-z]$/i.test(c)
const isDriveLetter = (text: string): boolean => /^[a-z][:|]$/i.test(text)
const isNormalizedDriveLetter = (text: string): boolean => /^[a-z]:$/i.test(text)
const startsWithDriveLetter = (text: string): boolean => /^[a-z][:|](?:$|[/\\?#])/i.test(text)
const isSingleDot = (segment: string): boolean => /^(?:\.|%2e)$/i.test(segment)
const isDoubleDot = (segment: string): boolean => /^(?:\.|%2e){2}$/i.test(segment)
const end = ''

type Outcome = 'continue' | 'fail' | 'stop'

/** `undefined` if `input` is no URL. */
export function parseUrl(input: string, base?: UrlRecord): UrlRecord | undefined {
  // eslint-disable-next-line no-control-regex
  const trimmed = input.replaceAll(/^[\x00-\x20]+|[\x00-\x20]+$/g, '')
  const url: UrlRecord = {
    scheme: '',
    username: '',
    password: '',
    host: null,
    port: null,
    path: [],
    query: null,
    fragment: null,
  }
  return new Parser(trimmed, url, base, undefined).run() ? url : undefined
}

/** Runs the parser from `override` on an existing URL, as its setters do. False: nothing usable, `url` may be half changed. */
export function parseInto(url: UrlRecord, input: string, override: ParserState): boolean {
  return new Parser(input, url, undefined, override).run()
}

class Parser {
  readonly #input: string[]
  readonly #url: UrlRecord
  readonly #base: UrlRecord | undefined
  readonly #override: ParserState | undefined
  #state: ParserState
  #pointer = 0
  #buffer = ''
  #sawAt = false
  #sawPasswordToken = false
  #isInBrackets = false

  constructor(input: string, url: UrlRecord, base: UrlRecord | undefined, override: ParserState | undefined) {
    this.#input = Array.from(input.replaceAll(/[\t\n\r]/g, ''))
    this.#url = url
    this.#base = base
    this.#override = override
    this.#state = override ?? 'schemeStart'
  }

  run(): boolean {
    for (; this.#pointer <= this.#input.length; this.#pointer++) {
      const outcome = this.#step(this.#input[this.#pointer] ?? end)
      if (outcome === 'fail') return false
      if (outcome === 'stop') return true
    }
    return true
  }

  #rest(): string {
    return this.#input.slice(this.#pointer + 1).join('')
  }

  #goto(state: ParserState, again = false): Outcome {
    this.#state = state
    if (again) this.#pointer -= 1
    return 'continue'
  }

  #step(c: string): Outcome {
    switch (this.#state) {
      case 'schemeStart':
        return this.#schemeStart(c)
      case 'scheme':
        return this.#scheme(c)
      case 'noScheme':
        return this.#noScheme(c)
      case 'specialRelativeOrAuthority':
        if (c === '/' && this.#rest().startsWith('/')) {
          this.#pointer += 1
          return this.#goto('specialAuthorityIgnoreSlashes')
        }
        return this.#goto('relative', true)
      case 'pathOrAuthority':
        return c === '/' ? this.#goto('authority') : this.#goto('path', true)
      case 'relative':
        return this.#relative(c)
      case 'relativeSlash':
        return this.#relativeSlash(c)
      case 'specialAuthoritySlashes':
        if (c === '/' && this.#rest().startsWith('/')) {
          this.#pointer += 1
          return this.#goto('specialAuthorityIgnoreSlashes')
        }
        return this.#goto('specialAuthorityIgnoreSlashes', true)
      case 'specialAuthorityIgnoreSlashes':
        return c === '/' || c === '\\' ? 'continue' : this.#goto('authority', true)
      case 'authority':
        return this.#authority(c)
      case 'host':
      case 'hostname':
        return this.#host(c)
      case 'port':
        return this.#port(c)
      case 'file':
        return this.#file(c)
      case 'fileSlash':
        return this.#fileSlash(c)
      case 'fileHost':
        return this.#fileHost(c)
      case 'pathStart':
        return this.#pathStart(c)
      case 'path':
        return this.#path(c)
      case 'opaquePath':
        return this.#opaquePath(c)
      case 'query':
        return this.#query(c)
      case 'fragment':
        if (c !== end) this.#url.fragment += percentEncode(c, fragmentSet)
        return 'continue'
    }
  }

  #schemeStart(c: string): Outcome {
    if (isLetter(c)) {
      this.#buffer += c.toLowerCase()
      return this.#goto('scheme')
    }
    return this.#override === undefined ? this.#goto('noScheme', true) : 'fail'
  }

  #scheme(c: string): Outcome {
    if (/^[a-z0-9+\-.]$/i.test(c)) {
      this.#buffer += c.toLowerCase()
      return 'continue'
    }
    if (c === ':') return this.#schemeEnd()
    if (this.#override !== undefined) return 'fail'
    this.#buffer = ''
    this.#pointer = -1
    return this.#goto('noScheme')
  }

  #schemeEnd(): Outcome {
    const url = this.#url
    if (this.#override !== undefined) {
      if (isSpecial(url) !== defaultPorts.has(this.#buffer)) return 'stop'
      const hasCredentials = url.username !== '' || url.password !== '' || url.port !== null
      if (hasCredentials && this.#buffer === 'file') return 'stop'
      if (url.scheme === 'file' && (url.host === '' || url.host === null)) return 'stop'
      url.scheme = this.#buffer
      if (url.port === (defaultPorts.get(url.scheme) ?? null)) url.port = null
      return 'stop'
    }
    url.scheme = this.#buffer
    this.#buffer = ''
    if (url.scheme === 'file') return this.#goto('file')
    if (isSpecial(url)) {
      return this.#goto(this.#base?.scheme === url.scheme ? 'specialRelativeOrAuthority' : 'specialAuthoritySlashes')
    }
    if (this.#rest().startsWith('/')) {
      this.#pointer += 1
      return this.#goto('pathOrAuthority')
    }
    url.path = ''
    return this.#goto('opaquePath')
  }

  #noScheme(c: string): Outcome {
    const base = this.#base
    if (base === undefined || (typeof base.path === 'string' && c !== '#')) return 'fail'
    if (typeof base.path === 'string') {
      Object.assign(this.#url, { scheme: base.scheme, path: base.path, query: base.query, fragment: '' })
      return this.#goto('fragment')
    }
    return base.scheme === 'file' ? this.#goto('file', true) : this.#goto('relative', true)
  }

  #copyBase(): void {
    const { username, password, host, port, path, query } = this.#base as UrlRecord
    // Bases with an opaque path never get here.
    Object.assign(this.#url, { username, password, host, port, path: (path as string[]).slice(), query })
  }

  #relative(c: string): Outcome {
    const url = this.#url
    url.scheme = (this.#base as UrlRecord).scheme
    if (c === '/' || (isSpecial(url) && c === '\\')) return this.#goto('relativeSlash')
    this.#copyBase()
    return this.#afterBase(c)
  }

  /** What follows a copied base: a query, a fragment, or a path that replaces the last segment. */
  #afterBase(c: string): Outcome {
    const url = this.#url
    if (c === '?') {
      url.query = ''
      return this.#goto('query')
    }
    if (c === '#') {
      url.fragment = ''
      return this.#goto('fragment')
    }
    if (c === end) return 'continue'
    url.query = null
    if (url.scheme !== 'file') this.#shorten()
    else if (startsWithDriveLetter(c + this.#rest())) url.path = []
    else this.#shorten()
    return this.#goto('path', true)
  }

  #relativeSlash(c: string): Outcome {
    const url = this.#url
    if (isSpecial(url) && (c === '/' || c === '\\')) return this.#goto('specialAuthorityIgnoreSlashes')
    if (c === '/') return this.#goto('authority')
    const { username, password, host, port } = this.#base as UrlRecord
    Object.assign(url, { username, password, host, port })
    return this.#goto('path', true)
  }

  #isHostEnd(c: string): boolean {
    return c === end || c === '/' || c === '?' || c === '#' || (isSpecial(this.#url) && c === '\\')
  }

  #authority(c: string): Outcome {
    if (c === '@') {
      this.#readCredentials()
      return 'continue'
    }
    if (!this.#isHostEnd(c)) {
      this.#buffer += c
      return 'continue'
    }
    if (this.#sawAt && this.#buffer === '') return 'fail'
    this.#pointer -= Array.from(this.#buffer).length + 1
    this.#buffer = ''
    return this.#goto('host')
  }

  #readCredentials(): void {
    const text = this.#sawAt ? `%40${this.#buffer}` : this.#buffer
    this.#sawAt = true
    for (const character of text) {
      if (character === ':' && !this.#sawPasswordToken) {
        this.#sawPasswordToken = true
        continue
      }
      const encoded = percentEncode(character, userinfoSet)
      if (this.#sawPasswordToken) this.#url.password += encoded
      else this.#url.username += encoded
    }
    this.#buffer = ''
  }

  #host(c: string): Outcome {
    const url = this.#url
    if (this.#override !== undefined && url.scheme === 'file') return this.#goto('fileHost', true)
    if (c === ':' && !this.#isInBrackets) {
      if (this.#buffer === '' || this.#override === 'hostname') return 'fail'
      return this.#setHost() ? this.#goto('port') : 'fail'
    }
    if (this.#isHostEnd(c)) {
      this.#pointer -= 1
      if (isSpecial(url) && this.#buffer === '') return 'fail'
      const hasCredentials = url.username !== '' || url.password !== '' || url.port !== null
      if (this.#override !== undefined && this.#buffer === '' && hasCredentials) return 'fail'
      if (!this.#setHost()) return 'fail'
      return this.#override === undefined ? this.#goto('pathStart') : 'stop'
    }
    if (c === '[') this.#isInBrackets = true
    if (c === ']') this.#isInBrackets = false
    this.#buffer += c
    return 'continue'
  }

  #setHost(): boolean {
    const isOpaque = !isSpecial(this.#url)
    const host = isOpaque && this.#buffer === '' ? '' : parseHost(this.#buffer, isOpaque)
    if (host === invalidHost) return false
    this.#url.host = host
    this.#buffer = ''
    return true
  }

  #port(c: string): Outcome {
    if (/^[0-9]$/.test(c)) {
      this.#buffer += c
      return 'continue'
    }
    if (!this.#isHostEnd(c) && this.#override === undefined) return 'fail'
    if (this.#buffer !== '') {
      const port = Number(this.#buffer)
      if (port > 65_535) return 'fail'
      this.#url.port = port === defaultPorts.get(this.#url.scheme) ? null : port
      this.#buffer = ''
      if (this.#override !== undefined) return 'stop'
    }
    if (this.#override !== undefined) return 'fail'
    return this.#goto('pathStart', true)
  }

  #file(c: string): Outcome {
    const url = this.#url
    url.scheme = 'file'
    url.host = ''
    if (c === '/' || c === '\\') return this.#goto('fileSlash')
    if (this.#base?.scheme !== 'file') return this.#goto('path', true)
    this.#copyBase()
    return this.#afterBase(c)
  }

  #fileSlash(c: string): Outcome {
    if (c === '/' || c === '\\') return this.#goto('fileHost')
    const base = this.#base
    if (base?.scheme === 'file') {
      this.#url.host = base.host
      const drive = base.path[0] ?? ''
      if (!startsWithDriveLetter(c + this.#rest()) && isNormalizedDriveLetter(drive))
        (this.#url.path as string[]).push(drive)
    }
    return this.#goto('path', true)
  }

  #fileHost(c: string): Outcome {
    if (!(c === end || c === '/' || c === '\\' || c === '?' || c === '#')) {
      this.#buffer += c
      return 'continue'
    }
    this.#pointer -= 1
    if (this.#override === undefined && isDriveLetter(this.#buffer)) return this.#goto('path')
    if (this.#buffer === '') {
      this.#url.host = ''
      return this.#override === undefined ? this.#goto('pathStart') : 'stop'
    }
    const host = parseHost(this.#buffer, false)
    if (host === invalidHost) return 'fail'
    this.#url.host = host === 'localhost' ? '' : host
    if (this.#override !== undefined) return 'stop'
    this.#buffer = ''
    return this.#goto('pathStart')
  }

  #pathStart(c: string): Outcome {
    const url = this.#url
    if (isSpecial(url)) return c === '/' || c === '\\' ? this.#goto('path') : this.#goto('path', true)
    if (this.#override === undefined && c === '?') {
      url.query = ''
      return this.#goto('query')
    }
    if (this.#override === undefined && c === '#') {
      url.fragment = ''
      return this.#goto('fragment')
    }
    if (c !== end) return c === '/' ? this.#goto('path') : this.#goto('path', true)
    if (this.#override !== undefined && url.host === null) (url.path as string[]).push('')
    return 'continue'
  }

  #path(c: string): Outcome {
    const url = this.#url
    const isSlash = c === '/' || (isSpecial(url) && c === '\\')
    const isEnd = c === end || (this.#override === undefined && (c === '?' || c === '#'))
    if (!isSlash && !isEnd) {
      this.#buffer += percentEncode(c, pathSet)
      return 'continue'
    }
    this.#endSegment(isSlash)
    if (c === '?' && isEnd) {
      url.query = ''
      return this.#goto('query')
    }
    if (c === '#' && isEnd) {
      url.fragment = ''
      return this.#goto('fragment')
    }
    return 'continue'
  }

  #endSegment(isSlash: boolean): void {
    const path = this.#url.path as string[]
    if (isDoubleDot(this.#buffer)) {
      this.#shorten()
      if (!isSlash) path.push('')
    } else if (isSingleDot(this.#buffer)) {
      if (!isSlash) path.push('')
    } else {
      const isDrive = this.#url.scheme === 'file' && path.length === 0 && isDriveLetter(this.#buffer)
      path.push(isDrive ? `${this.#buffer.charAt(0)}:` : this.#buffer)
    }
    this.#buffer = ''
  }

  #shorten(): void {
    const path = this.#url.path as string[]
    if (this.#url.scheme === 'file' && path.length === 1 && isNormalizedDriveLetter(path[0] as string)) return
    path.pop()
  }

  #opaquePath(c: string): Outcome {
    const url = this.#url
    if (c === '?') {
      url.query = ''
      return this.#goto('query')
    }
    if (c === '#') {
      url.fragment = ''
      return this.#goto('fragment')
    }
    if (c === ' ') {
      const next = this.#rest().charAt(0)
      url.path += next === '?' || next === '#' ? '%20' : ' '
    } else if (c !== end) url.path += percentEncode(c, c0ControlSet)
    return 'continue'
  }

  #query(c: string): Outcome {
    const isFragment = this.#override === undefined && c === '#'
    if (!isFragment && c !== end) {
      this.#buffer += c
      return 'continue'
    }
    const encodeSet: EncodeSet = isSpecial(this.#url) ? specialQuerySet : querySet
    this.#url.query += percentEncode(this.#buffer, encodeSet)
    this.#buffer = ''
    if (!isFragment) return 'continue'
    this.#url.fragment = ''
    return this.#goto('fragment')
  }
}

export function serializePath(url: UrlRecord): string {
  return typeof url.path === 'string' ? url.path : url.path.map((segment) => `/${segment}`).join('')
}

export function serializeHost(url: UrlRecord): string {
  if (url.host === null) return ''
  return url.port === null ? url.host : `${url.host}:${url.port}`
}

export function serializeUrl(url: UrlRecord): string {
  let text = `${url.scheme}:`
  if (url.host !== null) {
    text += '//'
    if (url.username !== '' || url.password !== '') {
      text += url.username + (url.password === '' ? '' : `:${url.password}`) + '@'
    }
    text += serializeHost(url)
  } else if (typeof url.path !== 'string' && url.path.length > 1 && url.path[0] === '') text += '/.'
  text += serializePath(url)
  if (url.query !== null) text += `?${url.query}`
  if (url.fragment !== null) text += `#${url.fragment}`
  return text
}

export function serializeOrigin(url: UrlRecord): string {
  if (url.scheme === 'blob') {
    const inner = typeof url.path === 'string' ? parseUrl(url.path) : undefined
    return inner?.scheme === 'http' || inner?.scheme === 'https' ? serializeOrigin(inner) : 'null'
  }
  if (!isSpecial(url) || url.scheme === 'file') return 'null'
  return `${url.scheme}://${serializeHost(url)}`
}
