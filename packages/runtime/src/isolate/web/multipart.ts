/** `multipart/form-data` (RFC 7578) to and from `FormData`. */
import { fillRandom } from '../random.ts'
import { Blob, bytesOf, concatenate, File } from './blob.ts'
import { FormData } from './form-data.ts'
import { decodeUtf8, encodeUtf8 } from './text-encoding.ts'
import { bytesToText, textToBytes } from '../byte-text.ts'

export function encodeMultipart(form: FormData): { readonly bytes: Uint8Array<ArrayBuffer>; readonly type: string } {
  const boundary = `----concave-${bytesToHex(randomBytes())}`
  const parts: Uint8Array[] = []
  for (const [name, value] of form) {
    const disposition = `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(name)}"`
    if (typeof value === 'string')
      parts.push(encodeUtf8(`${disposition}\r\n\r\n${value.replaceAll(/\r?\n|\r/g, '\r\n')}`))
    else {
      const type = value.type === '' ? 'application/octet-stream' : value.type
      parts.push(encodeUtf8(`${disposition}; filename="${escapeName(value.name)}"\r\nContent-Type: ${type}\r\n\r\n`))
      parts.push(bytesOf(value))
    }
    parts.push(encodeUtf8('\r\n'))
  }
  parts.push(encodeUtf8(`--${boundary}--\r\n`))
  return { bytes: concatenate(parts), type: `multipart/form-data; boundary=${boundary}` }
}

function randomBytes(): Uint8Array {
  const bytes = new Uint8Array(16)
  fillRandom(bytes, bytes.length)
  return bytes
}

function bytesToHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** What HTML says of names in a form's parts. */
function escapeName(name: string): string {
  return name.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22')
}

export function decodeMultipart(bytes: Uint8Array, contentType: string): FormData {
  const match = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType)
  const boundary = match?.[1] ?? match?.[2]
  if (boundary === undefined) throw new TypeError('The content type of the form has no boundary')
  const form = new FormData()
  // One byte per code unit: what a byte-wise search needs.
  const text = `\r\n${bytesToText(bytes)}`
  const delimiter = `\r\n--${boundary}`
  let at = text.indexOf(delimiter)
  if (at < 0) throw malformed()
  for (;;) {
    const afterDelimiter = at + delimiter.length
    if (text.startsWith('--', afterDelimiter)) return form
    const headStart = text.indexOf('\r\n', afterDelimiter)
    const headEnd = text.indexOf('\r\n\r\n', afterDelimiter)
    const end = text.indexOf(delimiter, afterDelimiter)
    if (headStart < 0 || headEnd < 0 || end < 0 || headEnd > end) throw malformed()
    addPart(form, text.slice(headStart + 2, headEnd + 2), text.slice(headEnd + 4, Math.max(headEnd + 4, end)))
    at = end
  }
}

function addPart(form: FormData, head: string, content: string): void {
  const headers = decodeUtf8(textToBytes(head))
  const disposition = /^content-disposition:\s*form-data\s*;(.*)$/im.exec(headers)?.[1]
  const name = parameterOf(disposition ?? '', 'name')
  if (name === undefined) throw malformed()
  const fileName = parameterOf(disposition ?? '', 'filename')
  const bytes = textToBytes(content)
  if (fileName === undefined) {
    form.append(name, decodeUtf8(bytes))
    return
  }
  const type = /^content-type:\s*(.*?)\s*$/im.exec(headers)?.[1] ?? 'text/plain'
  form.append(name, new File([new Blob([bytes])], fileName, { type }))
}

function parameterOf(disposition: string, name: string): string | undefined {
  const match = new RegExp(`(?:^|[;\\s])${name}="((?:[^"\\\\]|\\\\.)*)"`, 'i').exec(disposition)
  return match?.[1]?.replaceAll('%22', '"').replaceAll('%0D', '\r').replaceAll('%0A', '\n')
}

function malformed(): TypeError {
  return new TypeError('The body is not a well-formed multipart/form-data form')
}
