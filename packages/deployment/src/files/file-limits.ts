/** Limits of file storage. Bytes, milliseconds, counts. */
export const fileLimits = {
  uploadUrlMs: 3_600_000,
  /** Uploads and `storage.store` calls that write at the same time. */
  maxConcurrentWrites: 256,
  maxContentTypeLength: 1024,
  /** How long content stays after its file was deleted: snapshots that see the file are older than that. */
  deletedContentMs: 300_000,
  collectIntervalMs: 60_000,
  /** Blobs that the collector looks at in one go; more than can be arriving. */
  collectBatch: 1000,
} as const
