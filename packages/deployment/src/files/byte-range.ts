/** Which part of a file a request asks for (RFC 9110 §14): one range or all of it. */
import type { ByteRange } from '@concave/blobs'

export type AskedRange =
  | { readonly kind: 'all' }
  | { readonly kind: 'part'; readonly range: ByteRange }
  /** Nothing of it exists, or it is several ranges, which are not served. */
  | { readonly kind: 'unsatisfiable' }

/** A header that is no byte range is ignored, as the RFC wants it. */
export function readRange(header: string | undefined, sizeBytes: number): AskedRange {
  const ranges = /^\s*bytes\s*=(.*)$/i.exec(header ?? '')?.[1]
  if (ranges === undefined) return { kind: 'all' }
  if (ranges.includes(',')) return { kind: 'unsatisfiable' }
  const [, first = '', last = ''] = /^\s*(\d*)\s*-\s*(\d*)\s*$/.exec(ranges) ?? []
  if (first === '' && last === '') return { kind: 'all' }
  if (first !== '' && last !== '' && Number(first) > Number(last)) return { kind: 'all' }
  const start = first === '' ? Math.max(0, sizeBytes - Number(last)) : Number(first)
  const end = first === '' || last === '' ? sizeBytes : Math.min(sizeBytes, Number(last) + 1)
  return start < end ? { kind: 'part', range: { start, end } } : { kind: 'unsatisfiable' }
}
