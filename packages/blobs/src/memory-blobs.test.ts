import { blobsSuite, type BlobsUnderTest } from './blobs-suite.ts'
import { MemoryBlobs } from './memory-blobs.ts'

function underTest(blobs: MemoryBlobs): BlobsUnderTest {
  return { blobs, reopen: async () => underTest(blobs), close: async () => {} }
}

blobsSuite('memory', async () => underTest(new MemoryBlobs()))
