/** Bytes that are too large for documents, behind one interface: files on disk (default) and memory (tests). */
export { checkBlobKey, type Blobs, type ByteRange, type Content } from './blobs.ts'
export { DiskBlobs } from './disk-blobs.ts'
export { MemoryBlobs } from './memory-blobs.ts'
