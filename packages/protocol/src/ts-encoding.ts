import { base64ToBytes, bytesToBase64 } from '@concave/base'

/** Timestamps on the wire: u64 little-endian in standard base64 (sync-and-http.md §1.4). */
export function encodeTs(ts: bigint): string {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, ts, true)
  return bytesToBase64(bytes)
}

/** The inverse; undefined when the text is not 8 bytes of base64. */
export function decodeTs(text: string): bigint | undefined {
  const bytes = base64ToBytes(text)
  if (bytes.length !== 8 || bytesToBase64(bytes) !== text) return undefined
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)
}
