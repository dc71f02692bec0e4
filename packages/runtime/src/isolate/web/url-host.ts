/** Hosts of URLs (WHATWG URL §3): domains, IPv4 numbers, IPv6 pieces, opaque hosts. */
import { percentDecode, percentEncode, c0ControlSet } from './url-encoding.ts'

export type Host = string
/** Signals an invalid host; the parser turns it into the TypeError of `new URL`. */
export const invalidHost = Symbol('invalidHost')

const forbiddenHost = /[\0\t\n\r #/:<>?@[\\\]^|]/
// eslint-disable-next-line no-control-regex
const forbiddenDomain = /[\0-\x20#%/:<>?@[\\\]^|\x7f]/

export function parseHost(input: string, isOpaque: boolean): Host | typeof invalidHost {
  if (input.startsWith('[')) {
    if (!input.endsWith(']')) return invalidHost
    const address = parseIpv6(input.slice(1, -1))
    return address === undefined ? invalidHost : `[${serializeIpv6(address)}]`
  }
  if (isOpaque) return forbiddenHost.test(input) ? invalidHost : percentEncode(input, c0ControlSet)
  const domain = domainToAscii(percentDecode(input))
  if (domain === undefined || domain === '' || forbiddenDomain.test(domain)) return invalidHost
  return endsInNumber(domain) ? parseIpv4(domain) : domain
}

/**
 * IDNA to ASCII. NOTE: in place of the mapping table of UTS #46 this uses Unicode's own NFKC and lower case, which agree
 * for ordinary names; labels that the table disallows are accepted.
 */
function domainToAscii(domain: string): string | undefined {
  // eslint-disable-next-line no-control-regex
  if (/^[\x00-\x7f]*$/.test(domain)) return domain.toLowerCase()
  const mapped = domain
    .replaceAll(/\u00ad|\u200b|\u2060|\ufeff|[\u{e0100}-\u{e01ef}]|[\ufe00-\ufe0f]/gu, '')
    .normalize('NFKC')
    .toLowerCase()
    .normalize('NFKC')
    .replaceAll(/[\u3002\uff0e\uff61]/g, '.')
  if (mapped.includes('\ufffd')) return undefined
  return (
    mapped
      .split('.')
      // eslint-disable-next-line no-control-regex
      .map((label) => (/^[\x00-\x7f]*$/.test(label) ? label : `xn--${punycode(label)}`))
      .join('.')
  )
}

/** RFC 3492 §6.3. */
function punycode(label: string): string {
  const codePoints = Array.from(label, (character) => character.codePointAt(0) as number)
  let output = String.fromCharCode(...codePoints.filter((codePoint) => codePoint < 0x80))
  const basicCount = output.length
  let handled = basicCount
  if (basicCount > 0) output += '-'
  let n = 128
  let delta = 0
  let bias = 72
  while (handled < codePoints.length) {
    const next = Math.min(...codePoints.filter((codePoint) => codePoint >= n))
    delta += (next - n) * (handled + 1)
    n = next
    for (const codePoint of codePoints) {
      if (codePoint < n) delta += 1
      if (codePoint !== n) continue
      output += variableLength(delta, bias)
      bias = adaptBias(delta, handled + 1, handled === basicCount)
      delta = 0
      handled += 1
    }
    delta += 1
    n += 1
  }
  return output
}

const digit = (value: number): string => String.fromCharCode(value < 26 ? value + 97 : value + 22)

function variableLength(delta: number, bias: number): string {
  let output = ''
  let rest = delta
  for (let k = 36; ; k += 36) {
    const threshold = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias
    if (rest < threshold) return output + digit(rest)
    output += digit(threshold + ((rest - threshold) % (36 - threshold)))
    rest = Math.floor((rest - threshold) / (36 - threshold))
  }
}

function adaptBias(delta: number, count: number, isFirst: boolean): number {
  let rest = isFirst ? Math.floor(delta / 700) : delta >> 1
  rest += Math.floor(rest / count)
  let k = 0
  for (; rest > 455; k += 36) rest = Math.floor(rest / 35)
  return k + Math.floor((36 * rest) / (rest + 38))
}

function endsInNumber(domain: string): boolean {
  const parts = domain.split('.')
  if (parts.at(-1) === '' && parts.length > 1) parts.pop()
  const last = parts.at(-1) ?? ''
  return /^[0-9]+$/.test(last) || /^0x[0-9a-f]*$/i.test(last)
}

function parseIpv4Number(part: string): number | undefined {
  if (part === '') return undefined
  const [digits, radix] = /^0x/i.test(part) ? [part.slice(2), 16] : /^0./.test(part) ? [part.slice(1), 8] : [part, 10]
  if (digits === '') return 0
  const allowed = radix === 16 ? /^[0-9a-f]+$/i : radix === 8 ? /^[0-7]+$/ : /^[0-9]+$/
  return allowed.test(digits) ? Number.parseInt(digits, radix) : undefined
}

function parseIpv4(domain: string): Host | typeof invalidHost {
  const parts = domain.split('.')
  if (parts.at(-1) === '' && parts.length > 1) parts.pop()
  if (parts.length > 4) return invalidHost
  const numbers = parts.map(parseIpv4Number)
  if (numbers.some((number, i) => number === undefined || (i < numbers.length - 1 && number > 255))) return invalidHost
  const last = numbers.at(-1) as number
  if (last >= 256 ** (5 - numbers.length)) return invalidHost
  let address = last
  for (const [i, number] of numbers.slice(0, -1).entries()) address += (number as number) * 256 ** (3 - i)
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')
}

/** Eight 16-bit pieces; undefined if the text is no address. */
function parseIpv6(text: string): number[] | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parsePieces(halves[0] as string, halves.length === 1)
  const tail = halves.length === 2 ? parsePieces(halves[1] as string, true) : []
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  return [...head, ...Array.from({ length: missing }, () => 0), ...tail]
}

function parsePieces(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === '') return []
  const pieces: number[] = []
  const parts = text.split(':')
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      pieces.push(Number.parseInt(part, 16))
      continue
    }
    const bytes = i === parts.length - 1 && mayEndInIpv4 ? parseDottedBytes(part) : undefined
    if (bytes === undefined) return undefined
    const [a, b, c, d] = bytes as [number, number, number, number]
    pieces.push(a * 256 + b, c * 256 + d)
  }
  return pieces
}

function parseDottedBytes(part: string): number[] | undefined {
  if (!/^(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})$/.test(part)) return undefined
  const bytes = part.split('.').map(Number)
  return bytes.every((byte) => byte <= 255) ? bytes : undefined
}

/** RFC 5952: the first longest run of zeros, if longer than one, is left out. */
function serializeIpv6(pieces: readonly number[]): string {
  let best = { start: -1, length: 1 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && pieces[start + length] === 0) length += 1
    if (length > best.length) best = { start, length }
  }
  const hex = (from: number, to: number): string =>
    pieces
      .slice(from, to)
      .map((piece) => piece.toString(16))
      .join(':')
  if (best.start === -1) return hex(0, 8)
  return `${hex(0, best.start)}::${hex(best.start + best.length, 8)}`
}
