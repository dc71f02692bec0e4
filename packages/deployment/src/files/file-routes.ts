/** Uploads and downloads of files (sync-and-http.md §4). The token, or the UUID, in the URL is the permission. */
import type { OutgoingHttpHeaders } from 'node:http'
import { BadRequest, NotFound, PlatformError } from '@concave/base'
import { emptyReply, type HttpReply, type HttpRequest, jsonReply, type RouteHandler, type Router } from '@concave/http'
import { readRange } from './byte-range.ts'
import { hexOfSha256, readDigestHeader } from './content-headers.ts'
import { isUuid, type StoredFile } from './file-rows.ts'
import type { FileStore } from './file-store.ts'

/**
 * What anybody may have uploaded is served from the API's origin: it must run nothing there. Browsers do not show PDFs
 * that are sandboxed, and PDFs run nothing in the origin.
 */
function protectiveHeaders(contentType: string): OutgoingHttpHeaders {
  const headers = { 'X-Content-Type-Options': 'nosniff' }
  if (/^application\/pdf\s*(?:;|$)/i.test(contentType)) return headers
  const policy = "default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'; sandbox"
  return { ...headers, 'Content-Security-Policy': policy }
}

export function addFileRoutes(router: Router<RouteHandler>, deps: { readonly files: FileStore }): void {
  const { files } = deps
  router.add('POST', '/api/storage/upload', async (request) => {
    const namespace = await files.checkUploadToken(request.query.get('token'))
    const { 'content-type': contentType, digest } = request.headers
    const sha256 = readDigestHeader(Array.isArray(digest) ? digest.join(',') : digest)
    return jsonReply({ storageId: await files.store(namespace, request.stream(), { contentType, sha256 }) })
  })
  router.add('GET', '/api/storage/{storageId}', async (request) => {
    const uuid = (request.params['storageId'] ?? '').toLowerCase()
    if (!isUuid(uuid)) {
      throw new BadRequest(
        'InvalidStoragePath',
        'A file is found at /api/storage/{UUID}, as ctx.storage.getUrl() gives it.',
      )
    }
    const file = await files.findByUuid(request.query.get('component') ?? '', uuid)
    if (file === null) throw new NotFound('FileNotFound', 'There is no file at this URL (any more).')
    return await serveFile(files, file, request)
  })
}

async function serveFile(files: FileStore, file: StoredFile, request: HttpRequest): Promise<HttpReply> {
  const contentType = file.contentType ?? 'application/octet-stream'
  const etag = `"${hexOfSha256(file.sha256)}"`
  const shared = {
    ...protectiveHeaders(contentType),
    'Cache-Control': 'private, max-age=2592000',
    ETag: etag,
    'Accept-Ranges': 'bytes',
  }
  if (matches(request.headers['if-none-match'], etag)) return emptyReply(304, shared)

  // RFC 9110 §13.1.5: a range of what the client no longer has the rest of is of no use to it.
  const ifRange = request.headers['if-range']
  const asked = readRange(ifRange === undefined || ifRange === etag ? request.headers.range : undefined, file.size)
  if (asked.kind === 'unsatisfiable') return rangeNotSatisfiable(file.size)
  const { start, end } = asked.kind === 'all' ? { start: 0, end: file.size } : asked.range
  const status = asked.kind === 'all' ? 200 : 206
  const headers = {
    ...shared,
    'Content-Length': end - start,
    'Content-Range': asked.kind === 'all' ? undefined : `bytes ${start}-${end - 1}/${file.size}`,
    // Of the whole file, whatever part is sent.
    Digest: `sha-256=${file.sha256}`,
  }
  if (request.method === 'HEAD') return emptyReply(status, { ...headers, 'Content-Type': contentType })
  const stream = await files.read(file, { start, end })
  return { status, headers, body: { kind: 'stream', stream, contentType } }
}

/** `If-None-Match`: entity tags, compared weakly, or `*`. */
function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  const tags = header.split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  return tags.includes('*') || tags.includes(etag)
}

function rangeNotSatisfiable(sizeBytes: number): HttpReply {
  const { code, message, status } = new PlatformError(
    416,
    'RangeNotSatisfiable',
    `The range lies outside of the file's ${sizeBytes} bytes, or there are several ranges: ask for one.`,
  )
  return jsonReply({ code, message }, { status, headers: { 'Content-Range': `bytes */${sizeBytes}` } })
}
