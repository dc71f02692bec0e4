/** SHA-256 digests and content types as clients write them. */
import { BadRequest } from '@concave/base'
import { fileLimits } from './file-limits.ts'

const digestBytes = 32

/** Base64 of the digest, which may be given in base64 (either alphabet) or in hex. */
export function parseSha256(text: string): string {
  const isHex = text.length === 2 * digestBytes
  const bytes = Buffer.from(text, isHex ? 'hex' : 'base64')
  const hasOnlyDigits = isHex || /^[\w+/-]+={0,2}$/.test(text)
  if (bytes.length === digestBytes && hasOnlyDigits) return bytes.toString('base64')
  throw new BadRequest('BadHeader', 'A SHA-256 digest must be 32 bytes in base64 or in hex.')
}

/** `Digest: sha-256=…` (RFC 3230): other algorithms in its list are not looked at. */
export function readDigestHeader(header: string | undefined): string | undefined {
  for (const entry of header?.split(',') ?? []) {
    const [, algorithm = '', digest = ''] = /^\s*([^=]*)=(.*?)\s*$/.exec(entry) ?? []
    if (algorithm.toLowerCase() === 'sha-256') return parseSha256(digest)
  }
  if (header === undefined) return undefined
  throw new BadRequest('BadHeader', 'The header Digest must have the form "sha-256={base64}".')
}

export function hexOfSha256(base64: string): string {
  return Buffer.from(base64, 'base64').toString('hex')
}

/** A content type is sent back as it came, so it must be something that a header can hold. */
export function checkContentType(contentType: string | null | undefined): string | undefined {
  if (contentType === null || contentType === undefined || contentType === '') return undefined
  if (contentType.length > fileLimits.maxContentTypeLength || !/^[\t\u0020-\u007E\u0080-\u00FF]*$/.test(contentType)) {
    throw new BadRequest('BadHeader', 'The content type is too long, or has characters that no header may have.')
  }
  return contentType
}
