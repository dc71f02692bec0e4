/** Records that `tail` hands over at once. */
export const pageRecordsMax = 256
