/** Limits of file storage. Bytes, milliseconds, counts. */
export const fileLimits = {
  uploadUrlMs: 3_600_000,
  /** Uploads and `storage.store` calls that write at the same time. */
  maxConcurrentWrites: 256,
  maxContentTypeLength: 1024,
  /** Files of one mutation that are written at the same time. */
  parallelPuts: 8,
  /** Content that an action may have in memory at once; larger files are there for downloads. */
  maxActionBlobBytes: 64 * 1_048_576,
  /** How long content stays after its file was deleted: snapshots that see the file are older than that. */
  deletedContentMs: 300_000,
  collectIntervalMs: 60_000,
  /** Blobs that the collector looks at in one go. */
  collectBatch: 1000,
} as const
