/** `atob` and `btoa` (WHATWG Infra §8, "forgiving-base64"). */
import { DOMException } from './dom-exception.ts'
import { defineFunction } from './interface.ts'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

export function btoa(data: unknown): string {
  const text = String(data)
  let out = ''
  for (let i = 0; i < text.length; i += 3) {
    const units = [text.charCodeAt(i), text.charCodeAt(i + 1), text.charCodeAt(i + 2)]
    if (units.some((unit) => unit > 255)) {
      throw new DOMException(
        'The string to be encoded contains characters outside of the Latin1 range.',
        'InvalidCharacterError',
      )
    }
    const [a, b, c] = units as [number, number, number]
    const bits = (a << 16) | ((b || 0) << 8) | (c || 0)
    out += alphabet.charAt(bits >> 18) + alphabet.charAt((bits >> 12) & 63)
    out += i + 1 < text.length ? alphabet.charAt((bits >> 6) & 63) : '='
    out += i + 2 < text.length ? alphabet.charAt(bits & 63) : '='
  }
  return out
}

export function atob(data: unknown): string {
  let text = String(data).replaceAll(/[\t\n\f\r ]/g, '')
  if (text.length % 4 === 0) text = text.replace(/={1,2}$/, '')
  if (text.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(text)) {
    throw new DOMException('The string to be decoded is not correctly encoded.', 'InvalidCharacterError')
  }
  let out = ''
  let bits = 0
  let bitCount = 0
  for (const character of text) {
    bits = ((bits << 6) | alphabet.indexOf(character)) & 0xffffff
    bitCount += 6
    if (bitCount >= 8) {
      bitCount -= 8
      out += String.fromCharCode((bits >> bitCount) & 0xff)
    }
  }
  return out
}

/** WebIDL: leaving the argument out is an error. */
function withArgument(name: string, run: (data: unknown) => string): (...args: unknown[]) => string {
  return (...args) => {
    if (args.length === 0) throw new TypeError(`Failed to execute '${name}': 1 argument required.`)
    return run(args[0])
  }
}

export function installBase64(): void {
  defineFunction('atob', withArgument('atob', atob))
  defineFunction('btoa', withArgument('btoa', btoa))
}
