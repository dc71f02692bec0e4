const mib = 1024 * 1024

export const pageBytes = 8192

/** How much is written before the committer looks at the write-ahead log's length. */
export const walCheckBytes = 1 * mib

/** Uncopied part of the write-ahead log that starts a passive checkpoint. */
export const passivePages = (16 * mib) / pageBytes

/** Length from which the write-ahead log is started anew: under constant load passive checkpoints alone let it grow. */
export const restartPages = (64 * mib) / pageBytes

/** Length from which the write-ahead log's file is shrunk too. */
export const truncatePages = (256 * mib) / pageBytes

/** Page cache limit of one connection unless configured. */
export const cacheKibDefault = 2048

/** How much of a database is read through a memory map. */
export const mmapBytesMax = 4096 * mib

/** How long reads share one transaction at most: as long it may hold up the copying of the write-ahead log. */
export const holdMs = 100
